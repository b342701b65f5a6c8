package federation

import (
	"context"
	"errors"

	"github.com/concord-hie/concord/hie"
)

// The steps of a request that a trace tells of, besides the doors'. What was released or withheld is none of them: an
// operator who follows a request learns how it went, not what was found.
const (
	stepIdentity = "identity" // who the patient is
	stepConsent  = "consent"  // the rules about them, and what they allow
	stepLocate   = "locate"   // what is held where, and the references
	stepSite     = "site"     // one site was asked
	stepAudit    = "audit"    // an event was committed
)

// traced runs f as a step of ctx's trace.
func traced(ctx context.Context, name string, f func() error) error {
	end := hie.Step(ctx)
	err := f()
	end(hie.Span{Name: name, Outcome: traceOutcome(err)})
	return err
}

// traceOutcome names what an error is, without its words.
func traceOutcome(err error) string {
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, hie.ErrNotFound):
		return "none"
	case errors.Is(err, errMoved):
		return "moved"
	case errors.Is(err, context.Canceled):
		return "caller gone"
	case errors.Is(err, context.DeadlineExceeded):
		return "out of time"
	case errors.Is(err, hie.ErrUnavailable):
		return "unavailable"
	}
	return "error"
}

// siteSpan says that a site was asked, and how it ended for this request; fate is nil when it answered. That it answered
// without documents is not told apart.
func siteSpan(site hie.SiteID, operation Operation, fate *SiteError) hie.Span {
	s := hie.Span{Name: stepSite, Site: site, Outcome: string(Answered), Detail: string(operation)}
	if fate != nil {
		s.Outcome, s.Detail = string(fate.Fate), string(operation)+": "+fate.Reason
	}
	return s
}
