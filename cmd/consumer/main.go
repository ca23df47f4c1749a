// Command consumer keeps the Postgres read model in step with the topics.
package main

import (
	"os"

	"github.com/waybill-io/waybill/cmd/internal/cli"
)

func main() {
	os.Exit(cli.Main("consumer", trying))
}
