package federation

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/locator"
)

// take retrieves a document whole, as a caller does.
func take(w *world, actor hie.Actor, h Handle) ([]byte, error) {
	d, err := w.Retrieve(context.Background(), actor, h)
	if err != nil {
		return nil, err
	}
	defer func() { _ = d.Close() }()
	var b bytes.Buffer
	err = d.Pass(context.Background(), &b)
	return b.Bytes(), err
}

// pattern is n bytes that repeat nowhere soon.
func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + i>>8 + i>>16)
	}
	return b
}

func TestADocumentPassesUnchangedAndRecorded(t *testing.T) {
	for _, n := range []int{0, 1, chunk - 1, chunk, chunk + 1, wholeLimit - 1, wholeLimit, wholeLimit + 1, wholeLimit + chunk, 3*wholeLimit + 17} {
		for _, known := range []string{"size and hash", "size", "hash", "nothing"} {
			w := newWorld(t)
			b := pattern(n)
			p := w.doc(mariaHospital, "hospital", "18842-5", 1, content(b), func(p *locator.Pointer) {
				if !strings.Contains(known, "size") {
					p.Size = -1
				}
				if !strings.Contains(known, "hash") {
					p.Hash = nil
				}
			})
			w.serve(b)
			got, err := take(w, clinician(), Handle{Ref: p.Ref()})
			if err != nil || !bytes.Equal(got, b) {
				t.Errorf("%d bytes, %s known: %d came, %v", n, known, len(got), err)
			}
			d := w.recorded(audit.Disclosed)
			if len(d) != 1 || d[0].Outcome != audit.Success || len(d[0].Documents) != 1 || d[0].Documents[0].Pointer != p.ID || d[0].Detail["interaction"] != "retrieve" {
				t.Errorf("%d bytes, %s known: %d disclosures recorded, want 1 of this document", n, known, len(d))
			}
		}
	}
}

// A bad body must never end as a success, and up to a megabyte not even begin.
func TestABadBodyNeverEndsWell(t *testing.T) {
	flip := func(b []byte, at int) []byte { c := slices.Clone(b); c[at] ^= 1; return c }
	body := func(b []byte, edit func(*Body)) func([]byte) Body {
		return func([]byte) Body {
			out := Body{ReadCloser: io.NopCloser(bytes.NewReader(b)), ContentType: "text/plain", Length: int64(len(b)), Framed: true}
			if edit != nil {
				edit(&out)
			}
			return out
		}
	}
	silent := func(b *Body) { b.Length = -1 }
	for _, size := range []int{4000, 2*wholeLimit + 3*chunk + 5} {
		good := pattern(size)
		for _, tt := range []struct {
			name  string
			known string // what was published
			send  func([]byte) Body
		}{
			{"another hash", "size hash", body(flip(good, size-1), nil)},
			{"another first byte", "size hash", body(flip(good, 0), nil)},
			{"another hash, no size published", "hash", body(flip(good, size/2), silent)},
			{"cut short, announced so", "size", body(good[:size-1], nil)},
			{"cut short, announced as whole", "size", body(good[:size-1], func(b *Body) { b.Length = int64(size) })},
			{"cut short, nothing announced", "size hash", body(good[:size/2], silent)},
			{"cut short to a whole chunk", "hash", body(good[:min(size, chunk)/2], silent)},
			{"one byte more", "size", body(append(slices.Clone(good), 'x'), silent)},
			{"much more", "size hash", body(append(slices.Clone(good), good...), silent)},
			{"broken off", "size hash", func([]byte) Body {
				return Body{ReadCloser: io.NopCloser(io.MultiReader(bytes.NewReader(good[:size/2]), broken{})), ContentType: "text/plain", Length: int64(size), Framed: true}
			}},
			{"broken off after its last byte", "size hash", func([]byte) Body {
				return Body{ReadCloser: io.NopCloser(io.MultiReader(bytes.NewReader(good), broken{})), ContentType: "text/plain", Length: -1, Framed: true}
			}},
			{"an error page", "", body([]byte("<html>Internal Server Error</html>"), func(b *Body) { b.ContentType = "text/html; charset=utf-8" })},
			{"an error page with the right hash unknown", "size", body(good, func(b *Body) { b.ContentType = "text/html" })},
			{"a JSON error instead of text", "", body([]byte(`{"error":1}`), func(b *Body) { b.ContentType = "application/json" })},
			{"no end that could be told from a break", "", body(good, func(b *Body) { b.Length, b.Framed = -1, false })},
		} {
			w := newWorld(t)
			p := w.doc(mariaHospital, "hospital", "18842-5", 1, content(good), func(p *locator.Pointer) {
				if !strings.Contains(tt.known, "size") {
					p.Size = -1
				}
				if !strings.Contains(tt.known, "hash") {
					p.Hash = nil
				}
			})
			w.fetch = func(context.Context, locator.Pointer) (Body, error) { return tt.send(good), nil }
			got, err := take(w, clinician(), Handle{Ref: p.Ref()})
			if !errors.Is(err, ErrBadBody) {
				t.Errorf("%s, %d bytes: %v, want ErrBadBody", tt.name, size, err)
			}
			if size <= wholeLimit && len(got) > 0 {
				t.Errorf("%s: %d bytes of a small bad body left", tt.name, len(got))
			}
			if len(got) >= size {
				t.Errorf("%s: all %d bytes left", tt.name, len(got))
			}
			failures := 0
			for _, e := range append(w.recorded(audit.SiteAsked), w.recorded(audit.Disclosed)...) {
				if e.Outcome == audit.Failure {
					failures++
				}
			}
			if failures != 1 {
				t.Errorf("%s, %d bytes: %d failures recorded, want 1", tt.name, size, failures)
			}
		}
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestABodyOfUnknownSizeIsBounded(t *testing.T) {
	w := newWorld(t)
	w.Limits.Document = 3 * wholeLimit
	p := w.doc(mariaHospital, "hospital", "18842-5", 1)
	w.fetch = func(context.Context, locator.Pointer) (Body, error) {
		return Body{ReadCloser: io.NopCloser(endless{}), ContentType: "text/plain", Length: -1, Framed: true}, nil
	}
	d, err := w.Retrieve(context.Background(), clinician(), Handle{Ref: p.Ref()})
	if err != nil {
		t.Fatal(err)
	}
	n := &counter{}
	if err := d.Pass(context.Background(), n); !errors.Is(err, ErrBadBody) || n.n > w.Limits.Document {
		t.Errorf("%v after %d bytes", err, n.n)
	}
}

type endless struct{}

func (endless) Read(b []byte) (int, error) { return len(b), nil }

type counter struct {
	n       int64
	largest int
	on      func(total int64)
}

func (c *counter) Write(b []byte) (int, error) {
	c.n += int64(len(b))
	c.largest = max(c.largest, len(b))
	if c.on != nil {
		c.on(c.n)
	}
	return len(b), nil
}

func TestWhateverMayNotBeHadIsNotFound(t *testing.T) {
	b := pattern(100)
	for _, tt := range []struct {
		name    string
		arrange func(w *world, p locator.Pointer) (hie.Actor, Handle)
	}{
		{"a handle of nothing", func(*world, locator.Pointer) (hie.Actor, Handle) { return clinician(), Handle{} }},
		{"an unknown document", func(_ *world, p locator.Pointer) (hie.Actor, Handle) {
			return clinician(), Handle{Ref: locator.Ref{Record: p.Record, ID: 5}}
		}},
		{"a document of another record", func(_ *world, p locator.Pointer) (hie.Actor, Handle) {
			return clinician(), Handle{Ref: locator.Ref{Record: otto, ID: p.ID}}
		}},
		{"an expired or unknown live handle", func(_ *world, p locator.Pointer) (hie.Actor, Handle) {
			return clinician(), Handle{Ref: p.Ref(), Live: true}
		}},
		{"revoked since it was located", func(w *world, p locator.Pointer) (hie.Actor, Handle) {
			w.say(denyAll(mariaHospital))
			return clinician(), Handle{Ref: p.Ref()}
		}},
		{"another purpose that nobody permits", func(w *world, p locator.Pointer) (hie.Actor, Handle) {
			a := clinician()
			a.Purposes = []hie.Purpose{"NOPURPOSE"}
			return a, Handle{Ref: p.Ref()}
		}},
		{"a requester without purpose", func(w *world, p locator.Pointer) (hie.Actor, Handle) {
			a := clinician()
			a.Purposes = nil
			return a, Handle{Ref: p.Ref()}
		}},
		{"the handle in another patient's hands", func(_ *world, p locator.Pointer) (hie.Actor, Handle) {
			return hie.Actor{Organization: "patient-app", Patient: otto, Roles: []string{hie.RolePatient}, Purposes: []hie.Purpose{hie.PurposePatientRequest}}, Handle{Ref: p.Ref()}
		}},
		{"entered in error", func(w *world, p locator.Pointer) (hie.Actor, Handle) {
			w.store.docs[p.Record][0].Status = locator.EnteredInError
			return clinician(), Handle{Ref: p.Ref()}
		}},
		{"deleted", func(w *world, p locator.Pointer) (hie.Actor, Handle) {
			w.store.docs[p.Record] = nil
			return clinician(), Handle{Ref: p.Ref()}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			p := w.doc(mariaHospital, "hospital", "18842-5", 1, content(b))
			w.fetch = func(context.Context, locator.Pointer) (Body, error) {
				t.Error("the site was asked")
				return Body{}, errors.New("no")
			}
			actor, handle := tt.arrange(w, p)
			got, err := take(w, actor, handle)
			if !errors.Is(err, hie.ErrNotFound) || len(got) > 0 {
				t.Errorf("%d bytes, %v; want none and ErrNotFound", len(got), err)
			}
			if r := w.recorded(audit.Refused); len(r) != 1 || len(r[0].Reasons) == 0 || len(w.recorded(audit.Disclosed)) != 0 {
				t.Error("the refusal was not recorded with its reason, or a disclosure was")
			}
		})
	}
}

func TestRevokingWhileItPassesStopsIt(t *testing.T) {
	w := newWorld(t)
	b := pattern(4 * wholeLimit)
	p := w.doc(mariaHospital, "hospital", "18842-5", 1, content(b))
	w.serve(b)
	d, err := w.Retrieve(context.Background(), clinician(), Handle{Ref: p.Ref()})
	if err != nil {
		t.Fatal(err)
	}
	at := int64(0)
	n := &counter{on: func(total int64) {
		if at == 0 && total > 2*wholeLimit {
			at = total
			w.say(denyAll(mariaHospital)) // acknowledged: from here on nothing leaves
		}
	}}
	if err := d.Pass(context.Background(), n); !errors.Is(err, hie.ErrNotFound) || n.n != at || n.largest > chunk {
		t.Errorf("%v; %d bytes, of which %d after the revocation, in pieces of up to %d", err, n.n, n.n-at, n.largest)
	}
	last := w.recorded(audit.Disclosed)
	if e := last[len(last)-1]; e.Outcome != audit.Refusal || !slices.Contains(e.Reasons, "WITHDRAWN") {
		t.Error("the trail does not tell how it ended")
	}
}

func TestWhatMovesWithoutForbiddingLetsItPass(t *testing.T) {
	w := newWorld(t)
	b := pattern(3 * wholeLimit)
	p := w.doc(mariaHospital, "hospital", "18842-5", 1, content(b))
	w.serve(b)
	d, err := w.Retrieve(context.Background(), clinician(), Handle{Ref: p.Ref()})
	if err != nil {
		t.Fatal(err)
	}
	once := false
	n := &counter{on: func(int64) {
		if !once {
			once = true
			no := denyAll(mariaHospital)
			no.PolicyRules = nil
			no.Provision.Classes = []string{"11488-4"} // of another class
			w.say(no)
		}
	}}
	if err := d.Pass(context.Background(), n); err != nil || n.n != int64(len(b)) {
		t.Errorf("%v after %d bytes", err, n.n)
	}
	if e := w.recorded(audit.Decision); len(e) != 1 {
		t.Errorf("%d decisions recorded on the way, want 1", len(e))
	}
}

func TestRevokingBetweenDecisionAndFirstByteStopsIt(t *testing.T) {
	w := newWorld(t)
	b := pattern(100)
	p := w.doc(mariaHospital, "hospital", "18842-5", 1, content(b))
	w.fetch = func(context.Context, locator.Pointer) (Body, error) {
		w.say(denyAll(mariaHospital)) // while the site thinks
		return Body{ReadCloser: io.NopCloser(bytes.NewReader(b)), ContentType: "text/plain", Length: 100, Framed: true}, nil
	}
	if got, err := take(w, clinician(), Handle{Ref: p.Ref()}); !errors.Is(err, hie.ErrNotFound) || len(got) > 0 || len(w.recorded(audit.Disclosed)) != 0 {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	w = newWorld(t)
	p = w.doc(mariaHospital, "hospital", "18842-5", 1, content(b))
	w.serve(b)
	d, err := w.Retrieve(context.Background(), clinician(), Handle{Ref: p.Ref()})
	if err != nil {
		t.Fatal(err)
	}
	w.say(denyAll(mariaHospital))    // after the disclosure was recorded, before the first byte
	time.Sleep(consent.ReleaseLease) // and acknowledged
	n := &counter{}
	if err := d.Pass(context.Background(), n); !errors.Is(err, hie.ErrNotFound) || n.n != 0 {
		t.Errorf("%d bytes, %v", n.n, err)
	}
}

// The look that follows the record is the one the first bytes leave by, and none that is older than a lease.
//
// Source: spec consent 2.14 (read lease).
func TestTheFirstBytesLeaveByTheLookAfterTheRecordOrByANewerOne(t *testing.T) {
	for _, tt := range []struct {
		name  string
		waits time.Duration
		looks int
	}{
		{"at once", 0, 2},
		{"just within the lease", consent.ReleaseLease - 1, 2},
		{"at its end", consent.ReleaseLease, 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				b := pattern(100)
				p := w.doc(mariaHospital, "hospital", "18842-5", 1, content(b))
				w.serve(b)
				looks, epochs := 0, w.Exchange.Epochs
				w.Exchange.Epochs = func(ctx context.Context, records []hie.SourcePatientID) (map[hie.SourcePatientID]int64, error) {
					looks++
					return epochs(ctx, records)
				}
				d, err := w.Retrieve(t.Context(), clinician(), Handle{Ref: p.Ref()})
				if err != nil {
					t.Fatal(err)
				}
				time.Sleep(tt.waits)
				n := &counter{}
				if err := d.Pass(t.Context(), n); err != nil || n.n != 100 || looks != tt.looks {
					t.Errorf("%d bytes, %v, by %d looks at the epochs; want %d", n.n, err, looks, tt.looks)
				}
			})
		})
	}
}

func TestNoRecordNoRelease(t *testing.T) {
	w := newWorld(t)
	b := pattern(100)
	p := w.doc(mariaHospital, "hospital", "18842-5", 1, content(b))
	w.serve(b)
	w.recordErr = hie.ErrUnavailable
	if got, err := take(w, clinician(), Handle{Ref: p.Ref()}); !errors.Is(err, hie.ErrUnavailable) || len(got) > 0 {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

func TestALiveDocumentIsRetrievedByItsHandleWhileItIsKept(t *testing.T) {
	w := newWorld(t)
	b := pattern(500)
	told := pointer(w.network, mariaLive, "rural", "34133-9", 2)
	content(b)(&told)
	told.Kind = locator.KindOf(told.Categories, told.Types, told.Labels, true)
	w.search = func(context.Context, Ask) ([]locator.Pointer, error) { return []locator.Pointer{told}, nil }
	w.serve(b)
	f := find(t, w, Query{})
	if len(f.Entries) != 1 || !f.Entries[0].Live {
		t.Fatal("not found")
	}
	h := Handle{Ref: f.Entries[0].Ref(), Live: true}
	if got, err := take(w, clinician(), h); err != nil || !bytes.Equal(got, b) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	w.now = w.now.Add(w.Limits.Keep)
	if _, err := take(w, clinician(), h); !errors.Is(err, hie.ErrNotFound) {
		t.Errorf("after it expired: %v", err)
	}
}

func TestASitesSilenceIsNotABadBody(t *testing.T) {
	w := newWorld(t)
	p := w.doc(mariaHospital, "hospital", "18842-5", 1)
	w.fetch = func(context.Context, locator.Pointer) (Body, error) {
		return Body{}, &SiteError{Fate: Skipped, Reason: "breaker open"}
	}
	if _, err := take(w, clinician(), Handle{Ref: p.Ref()}); !errors.Is(err, hie.ErrUnavailable) || errors.Is(err, ErrBadBody) {
		t.Errorf("%v, want ErrUnavailable and not ErrBadBody", err)
	}
}

func FuzzVerifier(f *testing.F) {
	f.Add([]byte("abc"), []byte("abc"), 1)
	f.Fuzz(func(t *testing.T, published, sent []byte, step int) {
		sum := content(published)
		p := locator.Pointer{}
		sum(&p)
		if len(published) == 0 {
			return // assembled on demand: nothing is known of it
		}
		v := newVerifier(p.Size, p.Hash, 1<<20)
		var out bytes.Buffer
		r := &stepped{b: sent, step: max(1, step%70000)}
		head, whole, err := v.head(r)
		if err == nil && whole {
			err = passWhole(context.Background(), &out, head, func(context.Context) (time.Time, error) { return time.Now(), nil })
		} else if err == nil {
			err = v.pass(context.Background(), &out, head, r, func(context.Context) (time.Time, error) { return time.Now(), nil })
		}
		if (err == nil) != bytes.Equal(published, sent) || (err == nil && !bytes.Equal(out.Bytes(), sent)) {
			t.Errorf("%d bytes for %d: %v", len(sent), len(published), err)
		}
	})
}

type stepped struct {
	b    []byte
	step int
}

func (s *stepped) Read(p []byte) (int, error) {
	if len(s.b) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), s.step)], s.b)
	s.b = s.b[n:]
	return n, nil
}
