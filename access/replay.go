package access

import (
	"crypto/sha256"
	"sync"
	"time"

	"github.com/concord-hie/concord/hie"
)

// seen remembers which assertions this node itself has taken, so that a Redis that lost its last writes in a failover does
// not let one be used again here.
type seen struct {
	mu            sync.Mutex
	recent, older map[[sha256.Size]byte]bool
	since         time.Time
}

const (
	// ReplayWindow is at least as long as an assertion can be taken.
	ReplayWindow = maxAhead + 2*Skew + replayMargin
	// maxSeen bounds each of the two generations.
	maxSeen = 100_000
)

// first reports whether (client, jti) has not been taken here before.
func (s *seen) first(client hie.ClientID, jti string, now time.Time) bool {
	key := sha256.Sum256([]byte(string(client) + "\x00" + jti)) // a client id holds no zero byte
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.recent[key] || s.older[key] {
		return false
	}
	if s.recent == nil || len(s.recent) >= maxSeen || now.Sub(s.since) > ReplayWindow {
		s.older, s.recent, s.since = s.recent, map[[sha256.Size]byte]bool{}, now
	}
	s.recent[key] = true
	return true
}
