// Command points comes by two places, as often as its argument says.
package main

import (
	"fmt"
	"os"
	"strconv"

	"github.com/waybill-io/waybill/internal/fault"
)

func main() {
	n, err := strconv.Atoi(os.Args[1])
	if err != nil {
		panic(err)
	}
	for i := range n {
		fault.Point("here")
		fmt.Println("came by", i+1)
		fault.Point("there")
	}
}
