package federation

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/locator"
	"github.com/concord-hie/concord/mpi"
)

// live is what the sites that do not publish told.
type live struct {
	asked   time.Time // zero when nobody was to be asked
	anew    bool      // asked again within one answer, since what was told had expired
	answers []answer
	entries []Entry // what may be shown and is sought
	events  []audit.Event
}

// minWait is the least time a site is given.
const minWait = 50 * time.Millisecond

// live asks the sites that do not publish, or, on a later page, takes what they told at the first. Each document is
// decided by its own labels before anything else is done with it, and only what may be shown is kept.
func (x *Exchange) live(ctx context.Context, m *matter, q Query, l *lot, held []locator.Presence) (live, error) {
	var members []mpi.Member
	for _, member := range m.members {
		if x.isLive(m, member) && m.worthAsking(member, held) {
			members = append(members, member)
		}
	}
	if len(members) == 0 {
		return live{}, nil
	}
	out := live{asked: q.Cursor.Asked}
	if !q.Cursor.IsZero() {
		if out.asked.IsZero() || m.now.Sub(out.asked) < x.Limits.Keep-time.Minute { // zero continues what was remembered
			docs, err := x.told(ctx, members, out.asked, m.now)
			if err != nil {
				return live{}, err
			}
			out.take(m, q, l, docs)
			return out, nil
		}
		out.anew = true
	}
	if q.Remembered {
		for _, member := range members {
			out.answers = append(out.answers, answer{member: member, fate: &SiteError{Fate: Unasked, Reason: "not to be asked"}, recorded: true})
		}
		docs, err := x.told(ctx, members, time.Time{}, m.now)
		out.take(m, q, l, docs)
		return out, err
	}
	out.asked = m.now
	within, cancel := context.WithTimeout(ctx, x.wait(q))
	defer cancel()
	out.answers = x.ask(within, m.actor, q.Filter.Status, members, x.hearing(ctx, m, q, held, out.asked), func(a answer) { x.keepLate(m, a) })
	if err := ctx.Err(); err != nil {
		return live{}, err
	}
	if err := x.recall(ctx, &out); err != nil {
		return live{}, err
	}
	for _, a := range out.answers {
		if !a.recorded {
			out.events = append(out.events, x.asked(m.actor, a.member.Site, a.member.Record, "search", a.fate, len(a.docs)))
		}
		out.take(m, q, l, a.docs)
	}
	if q.CountOnly || len(out.entries) == 0 {
		return out, nil
	}
	docs := make([]locator.Pointer, len(out.entries))
	for i, e := range out.entries {
		docs[i] = e.Pointer
	}
	if err := x.Handles.Keep(ctx, docs, out.asked, out.asked.Add(x.Limits.Keep)); err != nil {
		return live{}, fmt.Errorf("federation: keep: %w", err)
	}
	return out, nil
}

// isLive reports whether member's site must be asked: it takes part, has an endpoint, does not publish, and is not
// the requester's own, which knows what it holds.
func (x *Exchange) isLive(m *matter, member mpi.Member) bool {
	site, ok := m.network.Site(member.Site)
	return ok && site.Active && !site.Publishes && len(site.Endpoints) > 0 && !m.network.Within(site.Org, m.actor.Organization)
}

// wait is how long sites may take: what the caller and the limits allow, less what is needed afterwards.
func (x *Exchange) wait(q Query) time.Duration {
	d := x.Limits.Budget
	if q.Heard != nil {
		d = x.Limits.Follow
	}
	if q.Wait > 0 {
		d = min(d, q.Wait)
	}
	return max(d-x.Limits.Reserve, minWait)
}

// take decides docs and adds those that may be shown and are sought.
func (v *live) take(m *matter, q Query, l *lot, docs []locator.Pointer) {
	for _, p := range docs {
		if l.decide(m, p) && q.Filter.Matches(p) {
			e := l.entry(p)
			e.Live = true
			v.entries = append(v.entries, e)
		}
	}
}

// told returns what live sites told of members at asked, or at any time when asked is zero.
func (x *Exchange) told(ctx context.Context, members []mpi.Member, asked, now time.Time) ([]locator.Pointer, error) {
	records := make([]hie.SourcePatientID, len(members))
	for i, member := range members {
		records[i] = member.Record
	}
	kept, err := x.Handles.Kept(ctx, records, asked, now)
	if err != nil {
		return nil, fmt.Errorf("federation: kept: %w", err)
	}
	out := make([]locator.Pointer, 0, len(kept))
	for _, t := range kept {
		if p, err := x.Sites.Decode(t.Site, t.Record, t.Received); err == nil { // what the directory no longer knows is gone
			out = append(out, p)
		}
	}
	return out, nil
}

// silent returns the sites among answers that did not answer in full and may be named, each once, with its worst fate.
func (x *Exchange) silent(ctx context.Context, m *matter, held []locator.Presence, answers []answer) ([]Silence, error) {
	var out []Silence
	for _, a := range answers {
		if a.fate == nil {
			continue
		}
		named, by, err := x.nameable(ctx, m, a.member, held)
		if err != nil {
			return nil, err
		}
		if named && !slices.ContainsFunc(out, func(s Silence) bool { return s.Site == a.member.Site }) {
			s := Silence{Site: a.member.Site, Fate: a.fate.Fate, Again: a.fate.Again}
			for _, d := range by {
				s.Caveats = consent.Join(s.Caveats, m.decider.Caveats(m.request, d, m.now))
			}
			out = append(out, s)
		}
	}
	slices.SortFunc(out, func(a, b Silence) int { return cmp.Compare(a.Site, b.Site) })
	return out, nil
}
