// Command tracker-ws serves the dashboard, the read API and live updates.
package main

import (
	"os"

	"github.com/waybill-io/waybill/cmd/internal/cli"
)

func main() {
	os.Exit(cli.Main("tracker-ws", run))
}
