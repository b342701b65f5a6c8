package main

import (
	"io"
	"net"
	"sync"
	"testing"
)

// A valve stands between a node and what it talks to on loopback. What the far end says is let through, held back, or lost
// with the connection: a network that delays or parts.
type valve struct {
	listener net.Listener
	to       string

	mu    sync.Mutex
	open  *sync.Cond
	state flow
	conns map[net.Conn]bool
	// left is after how many more answers the valve closes by itself, and tripped then; -1 is never.
	left    int
	tripped chan struct{}
}

// A flow is what a valve does with answers.
type flow int

const (
	flows flow = iota
	held       // answers wait, connections stay
	cut        // no connection lives
)

// newValve listens before the server at address to.
func newValve(t testing.TB, to string) *valve {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	v := &valve{listener: l, to: to, conns: map[net.Conn]bool{}, left: -1}
	v.open = sync.NewCond(&v.mu)
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() { v.join(c) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		v.turn(cut)
		all.Wait()
	})
	return v
}

func (v *valve) addr() string { return v.listener.Addr().String() }

// turn changes what happens to answers from now on.
func (v *valve) turn(to flow) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.state, v.left = to, -1
	v.open.Broadcast()
	if to == cut {
		for c := range v.conns {
			_ = c.Close()
		}
	}
}

// holdAfter has answers wait once n more have passed, and returns what is closed then.
func (v *valve) holdAfter(n int) <-chan struct{} {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.left, v.tripped = n, make(chan struct{})
	return v.tripped
}

// pass waits until an answer may go on.
func (v *valve) pass() {
	v.mu.Lock()
	defer v.mu.Unlock()
	switch {
	case v.left == 0 && v.state == flows:
		v.state, v.left = held, -1
		close(v.tripped)
	case v.left > 0:
		v.left--
	}
	for v.state == held {
		v.open.Wait()
	}
}

// keep notes a connection's end, and closes it when none may live.
func (v *valve) keep(c net.Conn) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.state == cut {
		_ = c.Close()
		return false
	}
	v.conns[c] = true
	return true
}

func (v *valve) drop(c net.Conn) {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.conns, c)
	_ = c.Close()
}

// join carries near's connection to the far end until either ends it.
func (v *valve) join(near net.Conn) {
	if !v.keep(near) {
		return
	}
	defer v.drop(near)
	far, err := net.Dial("tcp", v.to)
	if err != nil || !v.keep(far) {
		return
	}
	defer v.drop(far)
	var asking sync.WaitGroup
	asking.Go(func() {
		_, _ = io.Copy(far, near)
		_ = far.Close()
	})
	b := make([]byte, 64<<10)
	for {
		n, err := far.Read(b)
		v.pass()
		if n > 0 {
			if _, werr := near.Write(b[:n]); werr != nil {
				break
			}
		}
		if err != nil {
			break
		}
	}
	_ = near.Close()
	asking.Wait()
}
