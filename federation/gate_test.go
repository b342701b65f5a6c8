package federation

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/hie"
)

// A slowReader takes each part of a document later than a look at the rules lasts.
type slowReader struct{ bytes.Buffer }

func (s *slowReader) Write(b []byte) (int, error) {
	n, err := s.Buffer.Write(b)
	time.Sleep(consent.ReleaseLease + time.Millisecond)
	return n, err
}

// Source: spec consent 2.14.
func TestWhoReadsSlowlyGetsNoMoreThanOnePartByAnOldLook(t *testing.T) {
	for _, tt := range []struct {
		name  string
		looks int // how many looks find the rules as they were
		want  int
	}{
		{"nothing was taken back", chunk, chunk},
		{"taken back while the first part was on its way", 1, part},
		{"taken back while the third was", 3, 3 * part},
		{"taken back before", 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var to slowReader
			looks := 0
			err := gate(func(context.Context) (time.Time, error) {
				if looks++; looks > tt.looks {
					return time.Time{}, hie.ErrForbidden
				}
				return time.Now(), nil
			}).send(context.Background(), &to, make([]byte, chunk))
			if (err == nil) != (tt.want == chunk) || to.Len() != tt.want {
				t.Errorf("%d bytes left, %v; want %d", to.Len(), err, tt.want)
			}
		})
	}
	var to bytes.Buffer
	if err := gate(func(context.Context) (time.Time, error) { return time.Time{}, hie.ErrForbidden }).send(context.Background(), &to, nil); err == nil {
		t.Error("an empty document is passed without a look")
	}
}
