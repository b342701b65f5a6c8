package federation

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/locator"
	"github.com/concord-hie/concord/mpi"
)

// A Fate is what became of asking one site.
type Fate string

// The fates. A site that answered without documents is Empty.
const (
	Answered Fate = "answered"
	Empty    Fate = "empty"
	Refused  Fate = "refused" // the site says no: 401, 403
	Failed   Fate = "failed"  // no connection, an error, an answer that cannot be read
	Late     Fate = "late"    // no answer within the time there was
	Partial  Fate = "partial" // it answered, and not all of it could be read or taken
	Skipped  Fate = "skipped" // not asked: its breaker is open, its permits are taken, or too many sites
	Unasked  Fate = "unasked" // not asked: the caller wants what is known
)

// A SiteError says why a site gave no answer. It quotes nothing.
type SiteError struct {
	Fate Fate
	// Reason is a coded detail for operators and the audit trail ("http 500", "not a searchset", "breaker open").
	Reason string
	// Again is when asking again may help, 0 when that is not known.
	Again time.Duration
}

func (e *SiteError) Error() string { return "federation: site " + string(e.Fate) + ": " + e.Reason }

// Is makes every site error hie.ErrUnavailable.
func (e *SiteError) Is(target error) bool { return target == hie.ErrUnavailable }

// fateOf returns what err says became of asking: an error other than a *SiteError is Late when the time ran out
// and Failed otherwise.
func fateOf(err error) *SiteError {
	var se *SiteError
	switch {
	case errors.As(err, &se):
		return se
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return &SiteError{Fate: Late, Reason: "no answer in time"}
	default:
		return &SiteError{Fate: Failed, Reason: "could not be asked"}
	}
}

// An answer is what one site said about one record.
type answer struct {
	member mpi.Member
	docs   []locator.Pointer
	fate   *SiteError // nil when the site answered
	took   time.Duration
	// recorded says that what became of it stands in the trail already.
	recorded bool
}

// ask puts the question about each member to its site, all at once, and returns one answer a member in the order
// of members. It returns when all have answered or ctx ends. Each answer is given to came, if there is one, as it comes,
// several at once. It leaves no goroutine behind but those that listen to sites that are late, which hand what they hear to
// heard and end with the Exchange at the latest.
//
// All are asked at once, since a bounded number of askers would let sites that hang take the places of those that
// answer; each endpoint's permits and Limits.Sites bound what that costs.
func (x *Exchange) ask(ctx context.Context, actor hie.Actor, states []locator.Status, members []mpi.Member, came func(*answer), heard func(answer)) []answer {
	out := make([]answer, len(members))
	var wg sync.WaitGroup
	for i, m := range members {
		out[i] = answer{member: m}
		if i >= x.Limits.Sites {
			out[i].fate = &SiteError{Fate: Skipped, Reason: "too many sites for one query"}
			continue
		}
		wg.Go(func() {
			end := hie.Step(ctx)
			defer func() { end(siteSpan(m.Site, OperationSearch, out[i].fate)) }()
			out[i] = x.within(ctx, m, Ask{Site: m.Site, Record: m.Record, Local: m.Local, Status: states,
				Most: x.Limits.PerSite, Request: actor.Request}, heard)
			if came != nil {
				came(&out[i])
			}
		})
	}
	wg.Wait()
	return out
}

// search asks one site and says what became of it.
func (x *Exchange) search(ctx context.Context, m mpi.Member, ask Ask) answer {
	out := answer{member: m}
	start := time.Now()
	docs, err := x.Sites.Search(ctx, ask)
	out.took = time.Since(start)
	if err != nil {
		out.fate = fateOf(err)
	}
	if out.fate == nil || out.fate.Fate == Partial {
		out.docs = docs
	}
	return out
}

// asked returns the audit event of one site having been asked.
func (x *Exchange) asked(actor hie.Actor, site hie.SiteID, record hie.SourcePatientID, interaction string, fate *SiteError, n int) audit.Event {
	e := audit.NewEvent(audit.SiteAsked, actor, x.Now()).About(record)
	e.Site, e.Action = site, "E"
	e.Detail = map[string]string{"interaction": interaction, "fate": string(Answered)}
	switch {
	case fate != nil:
		e.Outcome = audit.Failure
		switch fate.Fate {
		case Refused:
			e.Outcome = audit.Refusal
		case Partial:
			e.Outcome = audit.Success
		}
		e.Detail["fate"] = string(fate.Fate)
		e.Reasons = []string{fate.Reason}
	case n == 0:
		e.Detail["fate"] = string(Empty)
	}
	return e
}
