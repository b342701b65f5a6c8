package server

import (
	"math/rand/v2"
	"sync"
	"time"

	"github.com/gin-gonic/gin"
)

// evenStep is what the time of an answer that shows nothing is rounded up to. It is longer than what any of the reasons
// there can be takes when the node is not overloaded, and short beside what a clinician notices.
const evenStep = 25 * time.Millisecond

// evenSpread is how far the waiting strays beyond that, at random: what little is left of a difference drowns in it.
const evenSpread = 10 * time.Millisecond

const beganKey = "concord began"

// withBeginning notes when a request began.
func withBeginning(c *gin.Context) { c.Set(beganKey, time.Now()) }

// even waits until the answer under way has taken as many steps as all of its like take at the moment. It stands before every
// answer that shows nothing, so that the time it took does not tell whether there was nobody, nothing, or something withheld:
// each takes different work. Answers that show something are not held back; that they do is seen anyway.
//
// Source: spec consent 2.12 (one time bucket) and scenario 6.
func (s *Server) even(c *gin.Context) {
	began := c.GetTime(beganKey)
	if began.IsZero() {
		return
	}
	now := time.Now()
	took := now.Sub(began)
	timer := time.NewTimer(time.Duration(s.pace.steps(took, now))*evenStep - took + rand.N(evenSpread))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-c.Request.Context().Done():
	}
}

// A pace is how many steps answers that show nothing take at the moment: as many as the slowest of late. On a node so busy that
// some of them outlast a step, the others wait for those, and none tells by its haste how little there was to do. The zero pace
// is one step.
type pace struct {
	mu    sync.Mutex
	held  int       // steps
	until time.Time // when held may fall
}

// paceHolds is how long one slow answer slows the others, and maxPace how many steps at most.
const (
	paceHolds = 10 * time.Second
	maxPace   = 8
)

// steps returns how many steps an answer that took so long at now is to last: never fewer than it needs.
func (p *pace) steps(took time.Duration, now time.Time) int {
	need := int(took/evenStep) + 1
	p.mu.Lock()
	defer p.mu.Unlock()
	if need >= p.held || now.After(p.until) {
		p.held, p.until = min(need, maxPace), now.Add(paceHolds)
	}
	return max(need, p.held)
}
