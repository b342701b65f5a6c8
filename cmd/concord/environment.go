package main

import (
	"sync"

	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/directory"
)

// environments makes the consent environment of the directory's current picture, once a picture.
type environments struct {
	network func() *directory.Network

	mu  sync.Mutex
	of  *directory.Network
	now *consent.Env
}

// env returns the environment of the picture in force.
func (e *environments) env() *consent.Env {
	n := e.network()
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.of == n {
		return e.now
	}
	env, err := consent.FromNetwork(n, consent.Options{})
	if err != nil { // only a built-in rule can be wrong: the picture was checked when it was made
		panic("concord: " + err.Error())
	}
	e.of, e.now = n, env
	return env
}
