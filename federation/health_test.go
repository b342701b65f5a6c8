package federation

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/concord-hie/concord/directory"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/locator"
)

func calls(fates ...Fate) (t Tally) {
	for _, f := range fates {
		t.Add(Call{Fate: f, Took: 40 * time.Millisecond})
	}
	return t
}

func TestASiteIsJudgedByWhatItsCallsBrought(t *testing.T) {
	slow := calls(Answered, Answered)
	slow.Add(Call{Fate: Answered, Took: 3 * time.Second})
	for _, tt := range []struct {
		name   string
		active bool
		recent Tally
		want   State
	}{
		{"answers quickly", true, calls(Answered, Empty, Partial), StateUp},
		{"one call in three takes long", true, slow, StateSlow},
		{"half of the calls fail", true, calls(Answered, Failed), StateFailing},
		{"fewer than half fail", true, calls(Answered, Answered, Failed), StateUp},
		{"it is always late", true, calls(Late, Late), StateFailing},
		{"it says no to everything", true, calls(Refused, Refused), StateFailing},
		{"its breaker is open", true, calls(Skipped, Skipped), StateFailing},
		{"nobody called it", true, Tally{}, StateQuiet},
		{"taken out by the directory, although it answers", false, calls(Answered), StatePaused},
	} {
		if got := StateOf(tt.active, tt.recent); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

// TestQuantilesAreRightToAnEighth compares them with those of the sorted durations themselves, whatever nodes counted them.
func TestQuantilesAreRightToAnEighth(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var all []time.Duration
		var nodes [3]Tally
		for range 1 + r.IntN(500) {
			d := time.Duration(math.Exp(r.Float64()*math.Log(30000)) * float64(time.Millisecond))
			all = append(all, d)
			nodes[r.IntN(3)].Add(Call{Fate: Answered, Took: d})
		}
		slices.Sort(all)
		sum := nodes[2].Plus(nodes[0]).Plus(nodes[1])
		for _, q := range []float64{.5, .95, 1} {
			want := all[max(0, int(math.Ceil(q*float64(len(all))))-1)]
			if got := sum.Quantile(q); math.Abs(math.Log(float64(got)/float64(want))) > math.Log(10)/10+1e-9 {
				t.Fatalf("quantile %v of %d: %v, want %v", q, len(all), got, want)
			}
		}
	}
	if got := (Tally{}).Quantile(.5); got != 0 {
		t.Errorf("of nothing: %v", got)
	}
}

func TestPointsCoverTheTimeWithoutCallsToo(t *testing.T) {
	from := time.Date(2026, 3, 1, 10, 3, 0, 0, time.UTC)
	at := func(m int) time.Time { return from.Truncate(time.Hour).Add(time.Duration(m) * time.Minute) }
	got := Points([]Count{{Minute: at(4), Tally: calls(Answered)}, {Minute: at(4), Operation: OperationProbe, Tally: calls(Failed)}, {Minute: at(14), Tally: calls(Late)},
		{Minute: at(-1), Tally: calls(Late)}, {Minute: at(60), Tally: calls(Late)}}, from, at(20), 5*time.Minute)
	if len(got) != 4 || !got[0].At.Equal(at(0)) || got[0].Calls() != 2 || got[1].Calls() != 0 || got[2].Late != 1 || got[3].Calls() != 0 {
		t.Errorf("%+v", got)
	}
}

// fakeSites answer with err after took.
type fakeSites struct {
	Sites
	err error
}

func (s fakeSites) Search(context.Context, Ask) ([]locator.Pointer, error) { return nil, s.err }

func TestACallIsToldAsItEndedUnlessNobodyWaitedForIt(t *testing.T) {
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	for _, tt := range []struct {
		name string
		ctx  context.Context
		err  error
		want Fate
	}{
		{"an answer", context.Background(), nil, Answered},
		{"a refusal", context.Background(), &SiteError{Fate: Refused, Reason: "http 403"}, Refused},
		{"an open breaker", context.Background(), &SiteError{Fate: Skipped, Reason: "breaker open"}, Skipped},
		{"anything else", context.Background(), errors.New("odd"), Failed},
		{"a caller who went away at once", gone, &SiteError{Fate: Late}, ""},
	} {
		var got []Call
		w := Watched{Sites: fakeSites{err: tt.err}, Observe: func(c Call) { got = append(got, c) }}
		_, err := w.Search(tt.ctx, Ask{Site: "oak"})
		switch {
		case !errors.Is(err, tt.err):
			t.Errorf("%s: the answer became %v", tt.name, err)
		case tt.want == "" && len(got) != 0, tt.want != "" && (len(got) != 1 || got[0].Fate != tt.want || got[0].Site != "oak" || got[0].Operation != OperationSearch):
			t.Errorf("%s: told %+v, want %q", tt.name, got, tt.want)
		}
	}
}

// seen is a HealthStore of what it holds.
type seen struct {
	counts     []Count
	conditions map[hie.SiteID]Condition
	probes     map[string]Probe
}

func (s seen) Counts(_ context.Context, site hie.SiteID, from time.Time) ([]Count, error) {
	return slices.DeleteFunc(slices.Clone(s.counts), func(c Count) bool { return c.Minute.Before(from) || site != "" && c.Site != site }), nil
}
func (s seen) Conditions(context.Context) (map[hie.SiteID]Condition, error) { return s.conditions, nil }
func (s seen) Probes(context.Context) (map[string]Probe, error)             { return s.probes, nil }

func TestAReportIsOfRequestsAndOfProbesWhereThereWereNone(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 30, 0, time.UTC)
	ago := func(d time.Duration) time.Time { return now.Add(-d).Truncate(time.Minute) }
	n, err := directory.NewNetwork(1, []directory.Organization{{ID: "o", Name: "O", Identifier: "urn:o", Active: true}}, []directory.Site{
		{ID: "asked", Org: "o", Name: "A", Authorities: []string{"urn:a"}, Zone: "UTC", Active: true, Membership: directory.Live, Endpoints: []directory.Endpoint{{ID: "e", Protocol: "fhir-r4", Address: "https://a.example"}}},
		{ID: "probed", Org: "o", Name: "B", Authorities: []string{"urn:b"}, Zone: "UTC", Active: true, Membership: directory.Live},
		{ID: "taken-out", Org: "o", Name: "C", Authorities: []string{"urn:c"}, Zone: "UTC", Membership: directory.Live}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	began := now.Add(-3 * time.Hour)
	m := &Monitor{Network: func() *directory.Network { return n }, Now: func() time.Time { return now },
		Claims: func(context.Context, time.Time) (map[hie.OrgID]Claims, error) {
			return map[hie.OrgID]Claims{"o": {Made: 4, Unjustified: 1}}, nil
		},
		Store: seen{counts: []Count{
			{Site: "asked", Operation: OperationSearch, Minute: ago(50 * time.Minute), Tally: calls(Answered, Answered, Failed)},
			{Site: "asked", Operation: OperationProbe, Minute: ago(time.Minute), Tally: calls(Answered)},
			{Site: "probed", Operation: OperationProbe, Minute: ago(2 * time.Minute), Tally: calls(Failed)},
		}, conditions: map[hie.SiteID]Condition{"asked": {State: StateUp, Since: began, LastAnswer: ago(time.Minute)}},
			probes: map[string]Probe{"e": {Endpoint: "e", Asked: ago(time.Minute), Version: "7", CertificateUntil: now.Add(21*24*time.Hour + time.Minute)}}}}
	got, err := m.Overview(context.Background())
	if err != nil || len(got) != 3 {
		t.Fatalf("%d, %v", len(got), err)
	}
	if r := got[0]; r.State != StateUp || !r.Since.Equal(began) || r.ByProbe || r.Tally.Calls() != 3 || r.Claims.Made != 4 || r.Probe.Version != "7" {
		t.Errorf("asked: %+v", r)
	}
	if days, ok := got[0].CertificateDays(now); !ok || days != 21 {
		t.Errorf("certificate: %d days, %v", days, ok)
	}
	if days, _ := got[0].CertificateDays(now.Add(22 * 24 * time.Hour)); days != -1 {
		t.Errorf("a certificate that ended yesterday: %d days", days)
	}
	if r := got[1]; r.State != StateFailing || !r.Since.Equal(now) || !r.ByProbe || r.Tally.ErrorRate() != 1 {
		t.Errorf("probed: %+v", r)
	}
	if _, ok := got[1].CertificateDays(now); ok {
		t.Error("a certificate where there is none")
	}
	if got[2].State != StatePaused {
		t.Errorf("taken out: %s", got[2].State)
	}
	if _, err := m.History(context.Background(), "nobody", began, time.Minute); !errors.Is(err, hie.ErrNotFound) {
		t.Errorf("a site there is not: %v", err)
	}
	points, err := m.History(context.Background(), "asked", began, 5*time.Minute)
	if err != nil || len(points) != 37 {
		t.Errorf("%d points, %v", len(points), err)
	}
}
