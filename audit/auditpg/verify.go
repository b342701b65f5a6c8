package auditpg

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/hie"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// An Entry is one row of the log as a verifier reads it.
type Entry struct {
	hie.Private
	Seq   int64
	Event string
	// Salt and Body are nil when the event was shredded.
	Salt, Body []byte
	// Hashes is what the tree stores with the row; nil where it is not kept (an export holds only a shredded
	// event's leaf hash).
	Hashes []byte
	// Lost is set when the tree names an event that is not there at all.
	Lost bool
	// Columns are the search columns that repeat the body; nil where there are none (an export).
	Columns *Columns
}

// Columns are what audit.event repeats of a body for searches.
type Columns struct {
	hie.Private
	Recorded           time.Time
	Kind, Outcome      string
	Organization, User string
	Records            []hie.SourcePatientID // those of the body's records that audit.event_record has, sorted
}

// A Source yields a log in order. Checkpoints come after the row that completes them.
type Source interface {
	// Read calls row for each row by rising place and checkpoint for each stored checkpoint as soon as all rows it
	// covers were given; size is where it is filed. It stops at the first error either returns, and returns it.
	Read(ctx context.Context, row func(Entry) error, checkpoint func(size int64, signed string) error) error
	// Outside returns what only a look beside the tree shows, after Read: nil when all is well.
	Outside(ctx context.Context) (*Finding, error)
}

// A Fault says what is wrong with a row.
type Fault string

// The faults a verifier names.
const (
	Edited     Fault = "edited"     // body, salt or hash is not what the tree was built from
	Reordered  Fault = "reordered"  // the row holds another event's place or body
	Missing    Fault = "missing"    // a row, or an event's body without a record of its shredding, is gone
	Truncated  Fault = "truncated"  // rows that a checkpoint covers are gone from the end: cut off, or an older copy was restored
	Rewritten  Fault = "rewritten"  // rows agree with each other but not with a signed checkpoint
	Unsigned   Fault = "unsigned"   // rows that no checkpoint covers
	Forged     Fault = "forged"     // a stored checkpoint is not signed by this key, or filed under another size
	Smuggled   Fault = "smuggled"   // an event outside the tree, or a search row that no event has
	ClockBack  Fault = "clock back" // times run backwards; nothing else is wrong
	Unreadable Fault = "unreadable" // a body that is hashed right but is not an event
)

// A Finding names the first bad row: it is row First, or, where hashes tell no more, one of First to Last.
type Finding struct {
	Fault       Fault
	First, Last int64
	// Event is the id of the row's event, "" when it cannot be told.
	Event string
	// Says explains it, without any value of a row.
	Says string
}

func (f *Finding) String() string {
	at := fmt.Sprintf("row %d", f.First)
	if f.Last > f.First {
		at = fmt.Sprintf("one of rows %d to %d", f.First, f.Last)
	}
	if f.Event != "" {
		at += " (event " + f.Event + ")"
	}
	return at + ": " + string(f.Fault) + ": " + f.Says
}

// A Report is what a verification found.
type Report struct {
	// Size and Root are those of the tree recomputed from the rows, as far as it was read.
	Size int64
	Root tlog.Hash
	// Checkpoints is how many stored checkpoints agreed; Trusted how many of those given by the caller.
	Checkpoints, Trusted int
	// Shredded counts events without a body whose shredding is on record.
	Shredded int64
	// First and Last are the earliest and latest event times seen, zero without events.
	First, Last time.Time
	// Bad names the first bad row, nil when the log is intact.
	Bad *Finding
	// Clock names the first row whose time runs backwards by more than the tolerance, nil when none does.
	Clock *Finding
}

// DefaultSkew is how far back an event's time may lie behind an earlier row's: what clocks of nodes differ and a
// transaction lasts.
const DefaultSkew = 15 * time.Minute

var errStop = errors.New("stop reading")

// Verify reads the whole log from src and checks it against v's signatures and the trusted checkpoints, which must
// come from outside the log. It recomputes every hash from salts and bodies; stored hashes only help to tell which
// row is bad. The error is for a log that could not be read; what is wrong with one that could is in the Report.
func Verify(ctx context.Context, src Source, v note.Verifier, trusted []Checkpoint, skew time.Duration) (Report, error) {
	c := &check{verifier: v, trusted: slices.Clone(trusted), skew: skew, unexplained: map[string]int64{}}
	slices.SortFunc(c.trusted, func(a, b Checkpoint) int { return int(min(max(a.Size-b.Size, -1), 1)) })
	if c.report.Bad = c.passTrusted(); c.report.Bad == nil {
		if err := src.Read(ctx, c.row, c.checkpoint); err != nil && !errors.Is(err, errStop) {
			return Report{}, fmt.Errorf("auditpg: verify: %w", err)
		}
	}
	c.finish()
	if c.report.Bad == nil {
		bad, err := src.Outside(ctx)
		if err != nil {
			return Report{}, fmt.Errorf("auditpg: verify: %w", err)
		}
		c.report.Bad = bad
	}
	c.report.Size, c.report.Root = c.tree.size, c.tree.root()
	return c.report, nil
}

// check is a verification under way.
type check struct {
	verifier note.Verifier
	trusted  []Checkpoint // those still ahead, by size
	skew     time.Duration
	tree     tree
	agreed   int64 // size of the last checkpoint that agreed
	stored   int64 // size of the last stored checkpoint
	report   Report
	// unexplained are shredded events whose shredding no event told of yet, with their rows.
	unexplained map[string]int64
}

// row takes the next row. After the first fault, rows are read on only as long as some removed body may still be
// explained: if it is not, that row comes before the fault.
func (c *check) row(e Entry) error {
	if c.report.Bad == nil {
		c.report.Bad = c.examine(e)
	} else if event, err := Decode(e.Body); err == nil {
		c.explain(event)
	}
	if c.report.Bad != nil && len(c.unexplained) == 0 {
		return errStop
	}
	return nil
}

// examine checks the row that must be number c.tree.size.
func (c *check) examine(e Entry) *Finding {
	n := c.tree.size
	at := func(fault Fault, says string) *Finding {
		return &Finding{Fault: fault, First: n, Last: n, Event: e.Event, Says: says}
	}
	switch {
	case e.Seq > n:
		return &Finding{Fault: Missing, First: n, Last: n, Says: fmt.Sprintf("the next row there is has number %d", e.Seq)}
	case e.Seq < n:
		return at(Reordered, fmt.Sprintf("a row numbered %d stands here", e.Seq))
	case e.Lost:
		return at(Missing, "the tree names an event that is gone")
	}
	leaf, shredded := tlog.Hash{}, e.Body == nil && e.Salt == nil
	if shredded {
		if len(e.Hashes) < tlog.HashSize {
			return at(Missing, "neither body nor leaf hash is there")
		}
		copy(leaf[:], e.Hashes)
		c.unexplained[e.Event] = n
	} else {
		leaf = leafHash(e.Salt, e.Body)
	}
	event, err := Decode(e.Body)
	if e.Hashes != nil && !bytes.Equal(e.Hashes[:min(len(e.Hashes), tlog.HashSize)], leaf[:]) {
		if err == nil && event.ID != e.Event {
			return at(Reordered, "the row holds the body of another event")
		}
		return at(Edited, "salt and body do not give the leaf's hash")
	}
	if f := c.grow(e, leaf, shredded); f != nil {
		return f
	}
	if !shredded {
		if f := c.content(n, e, event, err); f != nil {
			return f
		}
	}
	return c.passTrusted()
}

// grow appends the leaf and compares what the tree stores with what it must store.
func (c *check) grow(e Entry, leaf tlog.Hash, shredded bool) *Finding {
	n := c.tree.size
	want := c.tree.add(leaf)
	if e.Hashes == nil || (shredded && len(e.Hashes) == tlog.HashSize && e.Columns == nil) {
		return nil
	}
	if len(e.Hashes) != len(want)*tlog.HashSize {
		return &Finding{Fault: Reordered, First: n, Last: n, Event: e.Event, Says: "the row's tree hashes belong to another place"}
	}
	for level, h := range want {
		if !bytes.Equal(e.Hashes[level*tlog.HashSize:(level+1)*tlog.HashSize], h[:]) {
			return &Finding{Fault: Reordered, First: n >> level << level, Last: n,
				Says: "the rows do not give the subtree hash stored with the last of them"}
		}
	}
	return nil
}

// content checks what a body says against the row around it, and the clock.
func (c *check) content(n int64, e Entry, event audit.Event, err error) *Finding {
	switch {
	case err != nil:
		return &Finding{Fault: Unreadable, First: n, Last: n, Event: e.Event, Says: "the body is not a canonical event"}
	case event.ID != e.Event:
		return &Finding{Fault: Reordered, First: n, Last: n, Event: e.Event, Says: "the row holds the body of another event"}
	case checkID(event) != nil:
		return &Finding{Fault: Unreadable, First: n, Last: n, Event: e.Event, Says: "the event's id is not of its time"}
	case e.Columns != nil && !e.Columns.repeat(event):
		return &Finding{Fault: Edited, First: n, Last: n, Event: e.Event, Says: "the columns searches go by differ from the body"}
	}
	c.explain(event)
	if c.report.First.IsZero() || event.Time.Before(c.report.First) {
		c.report.First = event.Time
	}
	if c.report.Clock == nil && event.Time.Add(c.skew).Before(c.report.Last) {
		c.report.Clock = &Finding{Fault: ClockBack, First: n, Last: n, Event: e.Event,
			Says: "its time lies " + c.report.Last.Sub(event.Time).Round(time.Second).String() + " before an earlier row's"}
	}
	if event.Time.After(c.report.Last) {
		c.report.Last = event.Time
	}
	return nil
}

// explain strikes off the removed body that event tells of.
func (c *check) explain(event audit.Event) {
	id := event.Detail[shreddedKey]
	if _, known := c.unexplained[id]; known && event.Kind == audit.Administered {
		delete(c.unexplained, id)
		c.report.Shredded++
	}
}

func (k *Columns) repeat(e audit.Event) bool {
	return k.Recorded.Equal(e.Time) && k.Kind == string(e.Kind) && k.Outcome == string(e.Outcome) &&
		k.Organization == column(e.Actor.Organization) && k.User == column(e.Actor.User) && slices.Equal(k.Records, e.Records)
}

// checkpoint takes the next stored checkpoint.
func (c *check) checkpoint(size int64, signed string) error {
	if c.report.Bad == nil {
		c.report.Bad = c.examineCheckpoint(size, signed)
	}
	if c.report.Bad != nil && len(c.unexplained) == 0 {
		return errStop
	}
	return nil
}

func (c *check) examineCheckpoint(size int64, signed string) *Finding {
	last := max(size-1, 0)
	cp, err := OpenCheckpoint(signed, c.verifier)
	switch {
	case err != nil:
		return &Finding{Fault: Forged, First: last, Last: last, Says: "the checkpoint stored for it is not signed with this key"}
	case cp.Size != size:
		return &Finding{Fault: Forged, First: last, Last: last, Says: fmt.Sprintf("the checkpoint stored for it is one for %d rows", cp.Size)}
	case size > c.tree.size:
		n := c.tree.size
		return &Finding{Fault: Truncated, First: n, Last: n, Says: fmt.Sprintf("a stored checkpoint covers %d rows, there are %d", size, n)}
	}
	c.stored = size
	c.report.Checkpoints++
	return c.compare(cp, "stored")
}

// passTrusted compares the caller's checkpoints that are reached.
func (c *check) passTrusted() *Finding {
	for len(c.trusted) > 0 && c.trusted[0].Size <= c.tree.size {
		cp := c.trusted[0]
		c.trusted = c.trusted[1:]
		if f := c.compare(cp, "given"); f != nil {
			return f
		}
		c.report.Trusted++
	}
	return nil
}

func (c *check) compare(cp Checkpoint, whence string) *Finding {
	if cp.Size != c.tree.size {
		last := max(cp.Size-1, 0)
		return &Finding{Fault: Forged, First: last, Last: last, Says: "a checkpoint does not stand behind the last row it covers"}
	}
	if cp.Root != c.tree.root() {
		return &Finding{Fault: Rewritten, First: c.agreed, Last: max(cp.Size-1, c.agreed),
			Says: fmt.Sprintf("the %s checkpoint for %d rows was signed over others; the rows before these agree with theirs", whence, cp.Size)}
	}
	c.agreed = max(c.agreed, cp.Size)
	return nil
}

// finish draws the conclusions that need the end of the log.
func (c *check) finish() {
	n := c.tree.size
	switch {
	case c.report.Bad != nil:
	case len(c.trusted) > 0:
		most := c.trusted[len(c.trusted)-1].Size
		c.report.Bad = &Finding{Fault: Truncated, First: n, Last: n, Says: fmt.Sprintf("a given checkpoint covers %d rows, there are %d", most, n)}
	case max(c.stored, c.agreed) < n:
		c.report.Bad = &Finding{Fault: Unsigned, First: c.agreed, Last: n - 1, Says: "no checkpoint covers it"}
	}
	for id, row := range c.unexplained {
		if c.report.Bad == nil || row < c.report.Bad.First {
			c.report.Bad = &Finding{Fault: Missing, First: row, Last: row, Event: id, Says: "its body was removed and no event tells of it"}
		}
	}
}
