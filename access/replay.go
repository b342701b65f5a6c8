package access

import (
	"crypto/sha256"
	"sync"
	"time"

	"github.com/concord-hie/concord/hie"
)

// seen remembers which assertions this node itself has taken, so that a Redis that was flushed or lost its last writes
// in a failover does not let one be used again here. On other nodes the assertion's own end is then the only bound.
type seen struct {
	mu            sync.Mutex
	recent, older map[[sha256.Size]byte]bool
	since         time.Time
}

const (
	// seenFor is at least as long as an assertion can be taken.
	seenFor = maxAhead + 2*Skew + replayMargin
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
	if s.recent == nil || len(s.recent) >= maxSeen || now.Sub(s.since) > seenFor {
		s.older, s.recent, s.since = s.recent, map[[sha256.Size]byte]bool{}, now
	}
	s.recent[key] = true
	return true
}
