package federation

import (
	"context"
	"fmt"
	"time"

	"github.com/concord-hie/concord/directory"
	"github.com/concord-hie/concord/hie"
)

// HealthStore is where a Monitor reads what all nodes have seen of sites.
type HealthStore interface {
	// Counts returns the counts of minutes from from on, of one site or, for "", of all, in no order.
	Counts(ctx context.Context, site hie.SiteID, from time.Time) ([]Count, error)
	// Conditions returns the condition of each site that has one.
	Conditions(ctx context.Context) (map[hie.SiteID]Condition, error)
	// Probes returns what endpoints last said of themselves, by endpoint.
	Probes(ctx context.Context) (map[string]Probe, error)
}

// Claims count emergency claims of one organisation.
type Claims struct{ Made, Unjustified int64 }

// A Monitor tells operators how the sites are.
type Monitor struct {
	Network func() *directory.Network
	Store   HealthStore
	// Claims counts the emergency claims of each organisation since an instant.
	Claims func(ctx context.Context, since time.Time) (map[hie.OrgID]Claims, error)
	// Now is the clock; nil is hie.Now.
	Now func() time.Time
}

// ClaimWindow is how far back emergency claims are counted.
const ClaimWindow = 30 * 24 * time.Hour

// A SiteReport is how one site is. It names no patient.
type SiteReport struct {
	Site directory.Site
	Condition
	// Tally are the calls of the last FigureWindow: those made for requests or, when there was none, probes.
	Tally Tally
	// ByProbe says that Tally are probes.
	ByProbe bool
	Probe   Probe
	// Claims are those of the site's organisation within ClaimWindow.
	Claims Claims
}

// CertificateDays is how many whole days the certificate is good for at now, negative when it has ended; ok is false where
// there is none.
func (r SiteReport) CertificateDays(now time.Time) (days int, ok bool) {
	if r.Probe.CertificateUntil.IsZero() {
		return 0, false
	}
	left := r.Probe.CertificateUntil.Sub(now)
	if left < 0 {
		left -= 24 * time.Hour
	}
	return int(left / (24 * time.Hour)), true
}

func (m *Monitor) now() time.Time {
	if m.Now == nil {
		return hie.Now()
	}
	return m.Now()
}

// Overview returns a report of each site of the directory, ordered by site.
func (m *Monitor) Overview(ctx context.Context) ([]SiteReport, error) {
	now := m.now()
	counts, err := m.Store.Counts(ctx, "", now.Add(-FigureWindow))
	if err != nil {
		return nil, fmt.Errorf("federation: overview: %w", err)
	}
	of := map[hie.SiteID][]Count{}
	for _, c := range counts {
		of[c.Site] = append(of[c.Site], c)
	}
	conditions, err := m.Store.Conditions(ctx)
	if err != nil {
		return nil, fmt.Errorf("federation: overview: %w", err)
	}
	probes, err := m.Store.Probes(ctx)
	if err != nil {
		return nil, fmt.Errorf("federation: overview: %w", err)
	}
	claims, err := m.Claims(ctx, now.Add(-ClaimWindow))
	if err != nil {
		return nil, fmt.Errorf("federation: overview: %w", err)
	}
	var out []SiteReport
	for _, s := range m.Network().Sites() {
		r := SiteReport{Site: s, Condition: conditions[s.ID], Claims: claims[s.Org]}
		r.Tally, r.ByProbe = figures(of[s.ID])
		if state := StateOf(s.Active, recent(of[s.ID], now)); state != r.State { // the stored condition has not followed yet
			r.State, r.Since = state, now
		}
		if len(s.Endpoints) > 0 {
			r.Probe = probes[s.Endpoints[0].ID]
		}
		out = append(out, r)
	}
	return out, nil
}

// History returns what calling a site was like from from until now, a point each step, requests and probes together.
// hie.ErrNotFound means that there is no such site.
func (m *Monitor) History(ctx context.Context, site hie.SiteID, from time.Time, step time.Duration) ([]Point, error) {
	if _, known := m.Network().Site(site); !known {
		return nil, fmt.Errorf("federation: history: %w", hie.ErrNotFound)
	}
	counts, err := m.Store.Counts(ctx, site, from.Truncate(step))
	if err != nil {
		return nil, fmt.Errorf("federation: history: %w", err)
	}
	return Points(counts, from, m.now(), step), nil
}

// figures are the calls made for requests or, when there were none, the probes.
func figures(counts []Count) (t Tally, byProbe bool) {
	if t = spent(counts, func(c Count) bool { return c.Operation != OperationProbe }); t.Calls() > 0 {
		return t, false
	}
	t = spent(counts, func(Count) bool { return true })
	return t, t.Calls() > 0
}

// recent are all calls that count for a site's state at now.
func recent(counts []Count, now time.Time) Tally {
	from := now.Add(-StateWindow)
	return spent(counts, func(c Count) bool { return !c.Minute.Before(from) })
}

// Judge returns the state of each site at now by counts, which reach back StateWindow at least.
func Judge(n *directory.Network, counts []Count, now time.Time) map[hie.SiteID]State {
	of := map[hie.SiteID][]Count{}
	for _, c := range counts {
		of[c.Site] = append(of[c.Site], c)
	}
	out := map[hie.SiteID]State{}
	for _, s := range n.Sites() {
		out[s.ID] = StateOf(s.Active, recent(of[s.ID], now))
	}
	return out
}
