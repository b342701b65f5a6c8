package federation

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"slices"
	"strings"
	"time"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/locator"
)

// A Handle names a document whose bytes are wanted: a pointer of the index, or one that a live site told of.
type Handle struct {
	locator.Ref
	Live bool
	// Accepts reports whether the requester takes a content type; nil takes any. It is asked only about what the
	// requester may have.
	Accepts func(contentType string) bool
}

// ErrNotAcceptable means that the document may be had, and not in a form the requester takes.
var ErrNotAcceptable = errors.New("federation: no acceptable form")

// A Document is bytes that may leave now. It must be closed.
type Document struct {
	// ContentType is what was published, "application/octet-stream" when nothing was.
	ContentType string
	// Length is how many bytes there will be, -1 when that is not known.
	Length int64
	// Obligations go with the bytes, sorted; Caveats are what of them is told in words, nil for nothing.
	Obligations []string
	Caveats     []consent.Caveat

	x        *Exchange
	m        *matter
	pointer  locator.Pointer
	live     bool
	body     Body
	verifier *verifier
	head     []byte
	whole    bool
	// seen is when the look began under which the document was recorded as disclosed, zero once the gate has acted on it.
	seen time.Time
}

// Retrieve opens the document that handle names, if actor may have it now: it is decided anew, for this actor, under
// the rules of this instant. The site is asked, and a body of up to 1 MiB is proved whole, before the disclosure is
// recorded and anything is returned; longer ones are proved while they pass.
//
// Errors: hie.ErrNotFound for whatever is unknown, expired, withheld or entered in error; [ErrBadBody] when the site
// fails, refuses, or delivers something else than was published; hie.ErrUnavailable when it was late or not asked.
//
// Source: IHE ITI-68; DESIGN ideas 7 and 8; spec locator 7.7.
func (x *Exchange) Retrieve(ctx context.Context, actor hie.Actor, handle Handle) (*Document, error) {
	for range tries {
		d, err := x.retrieve(ctx, actor, handle)
		if err == nil {
			return d, nil
		}
		if !errors.Is(err, errMoved) {
			return nil, fmt.Errorf("federation: retrieve: %w", err)
		}
	}
	return nil, fmt.Errorf("federation: retrieve: rules did not come to rest: %w", hie.ErrUnavailable)
}

func (x *Exchange) retrieve(ctx context.Context, actor hie.Actor, handle Handle) (*Document, error) {
	d, err := x.permitted(ctx, actor, handle)
	if err != nil {
		return nil, err
	}
	if handle.Accepts != nil && !handle.Accepts(contentType(d.pointer)) {
		return nil, ErrNotAcceptable
	}
	end := hie.Step(ctx)
	body, err := x.Sites.Fetch(ctx, d.pointer)
	if err != nil {
		end(siteSpan(d.pointer.Site, OperationFetch, fateOf(err)))
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, d.undelivered(ctx, fateOf(err))
	}
	end(siteSpan(d.pointer.Site, OperationFetch, nil))
	d.body = body
	if err := d.begin(); err != nil {
		_ = body.Close() // what is left is not wanted
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, d.undelivered(ctx, &SiteError{Fate: Failed, Reason: err.Error()})
	}
	e := d.entry()
	d.Obligations, d.Caveats = e.Obligations, e.Caveats
	events := append([]audit.Event{x.asked(actor, d.pointer.Site, d.pointer.Record, "retrieve", nil, 1)}, x.disclosed(d.m, []Entry{e}, "retrieve")...)
	if d.seen, err = x.commit(ctx, d.m, events); err != nil {
		_ = body.Close()
		return nil, err
	}
	return d, nil
}

// permitted finds the document handle names and decides whether actor may have it. Whatever speaks against it is
// hie.ErrNotFound, and recorded.
func (x *Exchange) permitted(ctx context.Context, actor hie.Actor, handle Handle) (*Document, error) {
	person, err := x.person(ctx, actor, hie.Identifier{}, handle.Record)
	if absent(err) {
		return nil, x.refused(ctx, actor, nil, handle, ruling{reasons: []string{"UNKNOWN"}})
	}
	if err != nil {
		return nil, err
	}
	m, err := x.open(ctx, actor, person) // the epochs before the document whose labels they guard
	if err != nil {
		return nil, err
	}
	var p locator.Pointer
	err = traced(ctx, stepLocate, func() (err error) { p, err = x.pointer(ctx, handle); return err })
	if absent(err) || (err == nil && p.Status == locator.EnteredInError) {
		return nil, x.refused(ctx, actor, m, handle, ruling{reasons: []string{"UNKNOWN"}})
	}
	if err != nil {
		return nil, err
	}
	d := &Document{x: x, m: m, pointer: p, live: handle.Live}
	if r := d.ruling(); !r.release {
		r.ground = m.grounds(documents(m.whole(p), p.Kind))
		return nil, x.refused(ctx, actor, m, handle, r)
	}
	return d, nil
}

func (d *Document) ruling() ruling { return d.m.document(d.pointer) }

// entry is the document as an entry, with the ground it is shown on.
func (d *Document) entry() Entry {
	e := Entry{Pointer: d.pointer, Live: d.live, ruling: d.ruling()}
	e.Obligations = e.ruling.told()
	d.m.account(&e)
	return e
}

// pointer reads what handle names.
func (x *Exchange) pointer(ctx context.Context, handle Handle) (locator.Pointer, error) {
	if !handle.Live {
		return x.Holdings.Read(ctx, handle.Record, handle.ID)
	}
	told, err := x.Handles.Read(ctx, handle.Ref, x.Now())
	if err != nil {
		return locator.Pointer{}, err
	}
	p, err := x.Sites.Decode(told.Site, told.Record, told.Received)
	if err != nil { // the directory no longer knows the site
		return locator.Pointer{}, hie.ErrNotFound
	}
	return p, nil
}

// refused records that nothing was handed over and returns hie.ErrNotFound, whatever the reason was.
func (x *Exchange) refused(ctx context.Context, actor hie.Actor, m *matter, handle Handle, r ruling) error {
	e := audit.NewEvent(audit.Refused, actor, x.Now())
	e.Action, e.Outcome = "R", audit.Refusal
	e.Reasons, e.Ground, e.Emergency = r.reasons, r.ground, r.emergency
	e.Detail = map[string]string{"interaction": "read"}
	if m != nil {
		e = e.About(handle.Record)
		e.Withheld = 1
		e.Documents = []audit.Document{{Record: handle.Record, Pointer: handle.ID}}
	}
	if err := x.record(ctx, e); err != nil {
		return err
	}
	return hie.ErrNotFound
}

// undelivered records that the site did not deliver, and says so.
func (d *Document) undelivered(ctx context.Context, why *SiteError) error {
	e := d.x.asked(d.m.actor, d.pointer.Site, d.pointer.Record, "retrieve", why, 0)
	e.Documents = []audit.Document{{Record: d.pointer.Record, Pointer: d.pointer.ID}}
	if err := d.x.record(ctx, e); err != nil {
		return err
	}
	if why.Fate == Failed || why.Fate == Refused {
		return ErrBadBody
	}
	return why
}

// begin looks at what the site announces and reads the head of the body. Errors are the verifier's.
func (d *Document) begin() error {
	p, b := d.pointer, d.body
	v := newVerifier(p.Size, p.Hash, d.x.Limits.Document)
	switch {
	case !plausible(p.ContentType, b.ContentType, v.hash != nil):
		return errKind
	case v.size >= 0 && b.Length >= 0 && b.Length < v.size:
		return errShort
	case v.size >= 0 && b.Length > v.size:
		return errLong
	case v.size < 0 && b.Length > v.most:
		return errTooBig
	case !v.provable(b.Framed):
		return errUnproved
	}
	var err error
	if d.head, d.whole, err = v.head(b); err != nil {
		return err
	}
	d.verifier, d.ContentType, d.Length = v, contentType(p), v.size
	switch {
	case d.whole:
		d.Length = int64(len(d.head))
	case d.Length < 0:
		d.Length = b.Length
	}
	return nil
}

func contentType(p locator.Pointer) string {
	if p.ContentType == "" {
		return "application/octet-stream"
	}
	return p.ContentType
}

// plausible reports whether a body announced as got may be the document published as want. With a hash to prove it
// the announcement matters little, since sites' servers mislabel; but an HTML page in place of something else is an error page.
func plausible(want, got string, hashed bool) bool {
	w, g := mediaType(want), mediaType(got)
	switch {
	case w == "" || g == "" || w == g:
		return true
	case g == "text/html" || g == "application/xhtml+xml":
		return false
	case hashed, g == "application/octet-stream", g == "binary/octet-stream":
		return true
	default:
		return isXML(w) && isXML(g)
	}
}

func mediaType(s string) string {
	m, _, err := mime.ParseMediaType(s)
	if err != nil {
		m, _, _ = strings.Cut(s, ";")
	}
	return strings.ToLower(strings.TrimSpace(m))
}

func isXML(m string) bool {
	return m == "text/xml" || m == "application/xml" || strings.HasSuffix(m, "+xml")
}

// Pass writes the bytes to w, at most 64 KiB between two looks at the gate: the person's version and the epochs the
// decision was made under. When they have moved it is decided again, and the bytes go on only if the document may still
// be had: otherwise the error is hie.ErrNotFound. A nil error means that all bytes were written and proved; after any
// other what was written must not be taken for the document, and the caller breaks the connection off.
func (d *Document) Pass(ctx context.Context, w io.Writer) error {
	var err error
	if d.whole {
		err = passWhole(ctx, w, d.head, d.gate)
	} else {
		err = d.verifier.pass(ctx, w, d.head, d.body, d.gate)
	}
	if err == nil {
		return nil
	}
	e := audit.NewEvent(audit.Disclosed, d.m.actor, d.x.Now()).About(d.pointer.Record)
	e.Action, e.Outcome, e.Site = "R", audit.Failure, d.pointer.Site
	e.Documents = []audit.Document{{Record: d.pointer.Record, Pointer: d.pointer.ID}}
	e.Detail = map[string]string{"interaction": "retrieve", "ended": "broken off"}
	switch {
	case errors.Is(err, errWithdrawn):
		e.Outcome, e.Reasons = audit.Refusal, []string{"WITHDRAWN"}
	case ctx.Err() != nil:
		e.Reasons = []string{"REQUESTER_GONE"}
	case isBodyFault(err):
		e.Reasons = []string{"BAD_BODY: " + err.Error()}
	}
	if isBodyFault(err) {
		err = errors.Join(err, ErrBadBody)
	}
	return errors.Join(err, d.x.record(ctx, e))
}

func isBodyFault(err error) bool {
	for _, f := range []error{errShort, errLong, errHash, errUnproved, errTooBig, errBody, errKind} {
		if errors.Is(err, f) {
			return true
		}
	}
	return false
}

// Close ends the transfer from the site.
func (d *Document) Close() error { return d.body.Close() }

// errWithdrawn means that the document may no longer be had; it is hie.ErrNotFound too.
var errWithdrawn = fmt.Errorf("federation: withdrawn while it was handed over: %w", hie.ErrNotFound)

// maxMoves bounds how often one transfer is decided again.
const maxMoves = 16

// says reports whether everything that goes with the document by a later ruling was told with its first bytes: what was not
// can be told no more.
func (d *Document) says(again *Document) bool {
	e := again.entry()
	for _, o := range e.Obligations {
		if !slices.Contains(d.Obligations, o) {
			return false
		}
	}
	for _, c := range e.Caveats {
		if !slices.ContainsFunc(d.Caveats, func(o consent.Caveat) bool { return o.Obligation == c.Obligation && o.Words("en") == c.Words("en") }) {
			return false
		}
	}
	return true
}

// gate lets one more chunk pass, if the standing is what the decision was made under or the document is permitted
// under the new one. What it returns is when it looked; the chunk leaves while that look may be acted on, or not at all. The
// first look is the one that followed the record, as long as it may be acted on.
func (d *Document) gate(ctx context.Context) (seen time.Time, _ error) {
	seen, d.seen = d.seen, time.Time{}
	if time.Since(seen) < consent.ReleaseLease {
		return seen, nil
	}
	for range maxMoves {
		still, seen, err := d.x.fresh(ctx, d.m)
		if err != nil {
			return time.Time{}, err
		}
		if still {
			return seen, nil
		}
		again, err := d.x.permitted(ctx, d.m.actor, Handle{Ref: d.pointer.Ref(), Live: d.live})
		switch {
		case absent(err), err == nil && !d.says(again):
			return time.Time{}, errWithdrawn
		case err != nil:
			return time.Time{}, err
		}
		e := audit.NewEvent(audit.Decision, d.m.actor, d.x.Now()).About(d.pointer.Record)
		e.Site, e.Reasons = d.pointer.Site, again.ruling().reasons
		e.Ground = again.m.grounds(documents(again.m.whole(again.pointer), again.pointer.Kind))
		e.Documents = []audit.Document{{Record: d.pointer.Record, Pointer: d.pointer.ID}}
		if err := d.x.record(ctx, e); err != nil {
			return time.Time{}, err
		}
		d.m = again.m
	}
	return time.Time{}, errWithdrawn
}
