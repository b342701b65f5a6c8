package federation

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/mpi"
)

// lateness is what still listens to sites whose query has been answered without them.
type lateness struct {
	// ending ends all listening.
	ending context.Context //nolint:containedctx // the life of the Exchange, not of a request
	end    context.CancelFunc
	// places bounds how many are listened to at once, over all queries.
	places  chan struct{}
	running *sync.WaitGroup
}

// maxLate is how many late sites are listened to at once.
const maxLate = 256

func newLateness() lateness {
	ctx, cancel := context.WithCancel(context.Background())
	return lateness{ending: ctx, end: cancel, places: make(chan struct{}, maxLate), running: &sync.WaitGroup{}}
}

// within asks one site and returns what became of it when it answers or ctx ends. When the time of the query is over, but
// the caller still there, the site is listened to for Limits.Linger more, and what it says is given to heard.
//
// Source: spec federation section 6 ("late answers cached 10 min").
func (x *Exchange) within(ctx context.Context, m mpi.Member, ask Ask, heard func(answer)) answer {
	deadline, bounded := ctx.Deadline()
	if x.Limits.Linger <= 0 || !bounded {
		return x.search(ctx, m, ask)
	}
	longer, cancel := context.WithDeadline(hie.WithTrace(x.late.ending, hie.TraceOf(ctx)), deadline.Add(x.Limits.Linger))
	came := make(chan answer, 1)
	x.late.running.Go(func() {
		defer cancel()
		came <- x.search(longer, m, ask)
	})
	select {
	case a := <-came:
		return a
	case <-ctx.Done():
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		select {
		case x.late.places <- struct{}{}:
			x.late.running.Go(func() {
				defer func() { <-x.late.places }()
				if a := <-came; a.fate == nil || a.fate.Fate == Partial {
					heard(a)
				}
			})
		default: // enough are listened to
			cancel()
		}
	} else {
		cancel() // the caller is gone, and nobody wants to know
	}
	return answer{member: m, fate: fateOf(ctx.Err())}
}

// keepLate keeps what a late site told, as far as it might have been shown to who asked, and records that it answered.
func (x *Exchange) keepLate(m *matter, a answer) {
	ctx, cancel := context.WithTimeout(x.late.ending, recordTimeout)
	defer cancel()
	e := x.asked(m.actor, a.member.Site, a.member.Record, "search", a.fate, len(a.docs))
	e.Detail["late"] = "kept"
	if x.Record(ctx, e) != nil {
		return // unrecorded, unkept
	}
	docs := a.docs[:0:0]
	for _, p := range a.docs {
		if m.document(p).release {
			docs = append(docs, p)
		}
	}
	now := x.Now()
	_ = x.Handles.Keep(ctx, docs, now, now.Add(x.Limits.Keep)) // what cannot be kept is asked for again
}

// recall gives to the sites that are silent what they told not long ago. They stay silent in the answer's account.
func (x *Exchange) recall(ctx context.Context, v *live) error {
	var silent []mpi.Member
	for _, a := range v.answers {
		if a.fate != nil && a.fate.Fate != Partial && a.fate.Fate != Refused {
			silent = append(silent, a.member)
		}
	}
	if len(silent) == 0 {
		return nil
	}
	docs, err := x.told(ctx, silent, time.Time{}, v.asked)
	if err != nil {
		return err
	}
	for i := range v.answers {
		for _, p := range docs {
			if v.answers[i].member.Record == p.Record && v.answers[i].fate != nil {
				v.answers[i].docs = append(v.answers[i].docs, p)
			}
		}
	}
	return nil
}
