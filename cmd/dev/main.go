// Command dev runs the whole platform in one process, on a broker and a Postgres
// of its own.
package main

import (
	"os"

	"github.com/waybill-io/waybill/cmd/internal/cli"
)

func main() {
	os.Exit(cli.Main("dev", run))
}
