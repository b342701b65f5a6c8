package freeport

import (
	"fmt"
	"net"
	"testing"
)

func TestWhatIsFoundCanBeListenedOnWhileConnectionsComeAndGo(t *testing.T) {
	server, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = server.Close() }()
	go func() {
		for {
			c, err := server.Accept()
			if err != nil {
				return
			}
			_ = c.Close()
		}
	}()
	for range 200 {
		port, err := Find()
		if err != nil {
			t.Fatal(err)
		}
		if c, err := net.Dial("tcp", server.Addr().String()); err == nil { // takes a port of its own
			defer func() { _ = c.Close() }()
		}
		l, err := net.Listen("tcp", fmt.Sprint("127.0.0.1:", port))
		if err != nil {
			t.Fatalf("port %d: %v", port, err)
		}
		_ = l.Close()
	}
}
