package gateway

import (
	"net"

	"github.com/waybill-io/waybill/internal/fanout"
)

// Below is the connection below a socket: data goes past the library, through
// Write, Try and Finish, and the library's control frames through Control.
type Below struct{ lane *lane }

// NewBelow puts a lane on a connection.
func NewBelow(conn net.Conn) *Below { return &Below{newLane(conn, nil, newRoom())} }

// Socket is for the data.
func (b *Below) Socket() fanout.Prompt { return newSocket(nil, b.lane, 0, nil) }

// Control writes what the library does.
func (b *Below) Control(frame []byte) error {
	_, err := b.lane.Write(frame)
	return err
}

// The id of an event, taken apart and put together, for its fuzz test.
var (
	ParsePlaces  = parsePlaces
	AppendPlaces = appendPlaces
)
