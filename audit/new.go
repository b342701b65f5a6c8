package audit

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/concord-hie/concord/hie"
)

// NewEvent returns an event of kind at now by actor with a fresh UUIDv7 and outcome success.
func NewEvent(kind Kind, actor hie.Actor, now time.Time) Event {
	return Event{ID: newID(now), Time: now.UTC().Truncate(time.Microsecond), Kind: kind, Outcome: Success, Action: "E", Actor: actor}
}

// newID returns a UUIDv7 for now whose 12 bits after the millisecond hold the fraction of it, so that ids of one
// clock order as its times do, to a quarter of a microsecond.
//
// Source: RFC 9562 section 5.7 and section 6.2, method 3.
func newID(now time.Time) string {
	var b [16]byte
	_, _ = rand.Read(b[8:]) // never fails since Go 1.24
	var ms [8]byte
	binary.BigEndian.PutUint64(ms[:], uint64(now.UnixMilli()))
	copy(b[:6], ms[2:])
	binary.BigEndian.PutUint16(b[6:], 0x7000|uint16(now.Nanosecond()%1e6*4096/1e6))
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// About adds the records an event touches and returns it.
func (e Event) About(records ...hie.SourcePatientID) Event {
	all := append(slices.Clone(e.Records), records...)
	slices.Sort(all)
	e.Records = slices.Compact(all)
	return e
}
