package server

import (
	"math/rand/v2"
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

// even waits until the answer under way has taken a whole number of steps. It stands before every answer that shows
// nothing, so that the time it took does not tell whether there was nobody, nothing, or something withheld: each takes
// different work. Answers that show something are not held back; that they do is seen anyway.
//
// Source: spec consent 2.12 (one time bucket) and scenario 6.
func (s *Server) even(c *gin.Context) {
	began := c.GetTime(beganKey)
	if began.IsZero() {
		return
	}
	took := time.Since(began)
	timer := time.NewTimer(took.Truncate(evenStep) + evenStep - took + rand.N(evenSpread))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-c.Request.Context().Done():
	}
}
