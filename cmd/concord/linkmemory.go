package main

import (
	"runtime/debug"
	"runtime/metrics"
)

// linkGarbage is about how many bytes a batch may leave lying before they are collected. What it holds grows a hundredfold
// while a file is read and halves before persons are formed, so that a share of it would be collected all the time at first.
const linkGarbage = 64 << 20

// Bounds of the share of what is held, in percent, that linkGarbage is turned into: between two looks much may be added.
const (
	leastGarbage = 10
	mostGarbage  = 100
)

// A garbageBound keeps what a batch leaves lying near linkGarbage, however much it holds. One goroutine uses it at a time.
type garbageBound struct{ before, percent int }

// boundGarbage begins to keep it; end ends that.
func boundGarbage() *garbageBound {
	return &garbageBound{before: debug.SetGCPercent(mostGarbage), percent: mostGarbage}
}

func (g *garbageBound) end() { debug.SetGCPercent(g.before) }

// look adapts the share to what was held when memory was last collected. It is called often.
func (g *garbageBound) look() {
	held := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(held)
	percent := int(linkGarbage * 100 / max(held[0].Value.Uint64(), 1))
	percent = min(max(percent, leastGarbage), mostGarbage)
	if percent < g.percent*9/10 || percent > g.percent*11/10 {
		debug.SetGCPercent(percent)
		g.percent = percent
	}
}
