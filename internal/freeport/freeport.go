// Package freeport finds a port for a program that is about to be started. It knows nothing of what is started there.
package freeport

import (
	"errors"
	"math/rand/v2"
	"net"
	"strconv"
)

// Ports are sought from first on, span of them: below those that systems give to connections going out, any of which could
// take a port between its being found free and its being listened on.
const (
	first = 10_000
	span  = 20_000
)

// Find returns a port of 127.0.0.1 that nothing listens on. Whoever else seeks one at the same time hardly ever finds the same.
func Find() (int, error) {
	for range 100 {
		port := first + rand.IntN(span)
		if l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port))); err == nil {
			return port, l.Close()
		}
	}
	return 0, errors.New("freeport: none of a hundred ports is free")
}
