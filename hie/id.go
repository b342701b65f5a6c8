package hie

import (
	"crypto/rand"
	"encoding/binary"
	"sync/atomic"
	"time"
)

// idEpoch is where ids begin to count: microseconds since then fill 51 bits until 2096.
var idEpoch = time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)

// IDs makes identifiers for new rows: 63 bits, 51 of microseconds since 2025 and 12 drawn once per process.
// One process never repeats itself and its ids rise. Two processes meet only when they drew the same 12 bits
// and hit the same microsecond; a primary key then refuses the second, and the transaction is tried again.
// No order between processes and no absence of gaps may be relied on.
//
// Source: spec scale-out section 2 rule 5 (ids come from the application, time-ordered).
type IDs struct {
	node int64
	last atomic.Int64
	now  func() time.Time
}

// NewIDs returns a source of ids with a node number of its own. now may be nil for the system clock.
func NewIDs(now func() time.Time) *IDs {
	if now == nil {
		now = time.Now
	}
	var b [2]byte
	_, _ = rand.Read(b[:]) // never fails since Go 1.24
	return &IDs{node: int64(binary.BigEndian.Uint16(b[:]) & 0xfff), now: now}
}

// Next returns an id larger than every one this source returned before.
func (s *IDs) Next() int64 {
	for {
		last := s.last.Load()
		tick := s.now().Sub(idEpoch).Microseconds()
		if tick <= last {
			tick = last + 1
		}
		if s.last.CompareAndSwap(last, tick) {
			return tick<<12 | s.node
		}
	}
}
