// Command producer publishes events: those of a file, or simulated ones.
package main

import (
	"os"

	"github.com/waybill-io/waybill/cmd/internal/cli"
)

func main() {
	os.Exit(cli.Main("producer", run))
}
