package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"testing"
	"time"

	"github.com/concord-hie/concord/bench"
	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/hie"
)

// revoke measures how soon a patient's revocation is acknowledged: from then on nothing is released under the old rules.
func (b *bencher) revoke() {
	const consents = 600
	site, _ := b.region.Site("harbor-main")
	b.addClient("harbor-consents", site.Org, site.OrgURI, []string{"system/Consent.cruds"})
	bearer := b.bearer("harbor-consents", asClerk)
	client := b.client()
	var ids []string
	for n := 0; len(ids) < consents && n < len(b.known); n++ {
		g := b.known[n]
		if g.Site != site.ID {
			continue
		}
		id, err := b.patientID(b.ctx, b.region.People[g.Person], g.Site)
		if err != nil {
			b.t.Fatal(err)
		}
		r := b.must(http.StatusCreated, "harbor-consents", asClerk, http.MethodPost, "/fhir/Consent", refusal(id, false, time.Now()))
		ids = append(ids, idOf(b.t, r))
	}
	back := []byte(`{"resourceType":"Parameters","parameter":[{"name":"returnToDefault","valueBoolean":true}]}`)
	f, err := bench.Times(b.ctx, "consent revoked and acknowledged", 4, len(ids), func(ctx context.Context, _, n int) error {
		return fetch(ctx, client, http.MethodPost, b.base+"/fhir/Consent/"+ids[n-1]+"/$revoke-consent", bearer, "application/fhir+json", back, http.StatusOK)
	})
	if err != nil {
		b.t.Fatal(err)
	}
	f.Goal = "p99 ≤ 20 ms"
	// The epoch and the event's rows, with one commit.
	rate, err := bench.PGBench(b.ctx, b.dbURL, `\set sp random(1, 1000000000)
begin;
insert into locator.subject (sp_id, epoch) values (:sp::bigint, 1) on conflict (sp_id) do update set epoch = subject.epoch + 1;
insert into audit.event (id, recorded, kind, outcome, org_id, user_id, salt, body)
 values (gen_random_uuid(), now(), 'bench', 'success', 'bench', '', decode(repeat('ab', 32), 'hex'), convert_to(repeat('x', 1800), 'UTF8'));
insert into audit.event_record (sp_id, event_id) values (:sp::bigint, gen_random_uuid());
commit;
`, 4, b.d)
	if err != nil {
		b.t.Fatal(err)
	}
	b.add(f.Against("pgbench, epoch and event alone", rate))
}

// decide measures the consent engine: three directives, thirty rules besides the built-in law, no allocation beside a
// loop over flat masks that answers the same question without any of the semantics.
func (b *bencher) decide() {
	decider, req, doc := decisionWorkload(b.t)
	now := hie.Now()
	if !decider.Decide(req, doc, now).Release {
		b.t.Fatal("the workload's document is refused, so little of the engine is measured")
	}
	engine := testing.Benchmark(func(tb *testing.B) {
		tb.ReportAllocs()
		for tb.Loop() {
			decider.Decide(req, doc, now)
		}
	})
	masks := make([]uint64, 33)
	for i := range masks {
		masks[i] = rand.Uint64()
	}
	var sink uint64
	flat := testing.Benchmark(func(tb *testing.B) {
		for tb.Loop() {
			v := ^uint64(0)
			for _, m := range masks {
				v &^= m & 1
			}
			sink += v
		}
	})
	perSecond := func(r testing.BenchmarkResult) float64 { return 1e9 / float64(max(1, r.NsPerOp())) }
	b.add(bench.Figure{Name: "consent decision, 3 directives + 30 rules", Goal: "p50 ≤ 250 ns, 0 allocations", Callers: 1, PerSecond: perSecond(engine),
		P50: float64(engine.NsPerOp()) / 1e6, Note: fmt.Sprintf("%d ns a decision on average, %d allocations", engine.NsPerOp(), engine.AllocsPerOp())}.
		Against("a loop over 33 flat masks", perSecond(flat)))
	_ = sink
	b.consult()
}

// consult measures a decision from outside: the CDS Hook with which who keeps a record asks whether somebody may have something
// of it. The patient's directives are loaded and compiled each time, and the decision is on record before it is answered.
//
// Source: spec consent section 4 (HTTP decision).
func (b *bencher) consult() {
	site, _ := b.region.Site("harbor-main")
	b.addClient("harbor-consult", site.Org, site.OrgURI, []string{"system/Consent.r"})
	bearer, client := b.bearer("harbor-consult", asClerk), b.client()
	asks := site.Org
	for _, other := range b.region.Sites {
		if other.Org != site.Org {
			asks = other.Org
		}
	}
	var bodies [][]byte
	for n := 0; len(bodies) < 500 && n < len(b.known); n++ {
		if g := b.known[n]; g.Site == site.ID {
			id, err := b.patientID(b.ctx, b.region.People[g.Person], g.Site)
			if err != nil {
				b.t.Fatal(err)
			}
			bodies = append(bodies, fmt.Appendf(nil, `{"hook":"patient-consent-consult","hookInstance":"%d","context":{"patientId":[{"value":"Patient/%s"}],"actor":[{"value":"Organization/%s"}],"purposeOfUse":["TREAT"]}}`, n, id, asks))
		}
	}
	if _, err := b.db.SQL().ExecContext(b.ctx, `analyze`); err != nil { // else some plans are still those of empty tables
		b.t.Fatal(err)
	}
	one, many := b.run("consent decision over HTTP, loaded, compiled and recorded", "p50 ≤ 1 ms, p99 ≤ 5 ms", func(ctx context.Context, _, n int) error {
		return fetch(ctx, client, http.MethodPost, b.base+"/cds-services/patient-consent-consult", bearer, "application/json", bodies[n%len(bodies)], http.StatusOK)
	})
	b.add(one)
	b.add(many)
}

// decisionWorkload is one person with three directives under thirty rules, and a document that all of them are
// looked at for.
func decisionWorkload(t testing.TB) (*consent.Decider, consent.Request, consent.Document) {
	t.Helper()
	setup := consent.Setup{Policies: consent.BuiltinPolicies(), EmergencyHours: 4,
		Organizations: []consent.Organization{{ID: "north"}, {ID: "elm"}, {ID: "oak", Parent: "elm"}},
		Sites:         []consent.Site{{ID: "s1", Org: "north", Jurisdiction: "US-MD", Regimes: []string{}, Zone: "America/New_York", PrivilegedRoles: []string{"ed"}}},
		Defaults:      []consent.Default{{Network: true, PurposeClass: "*", Category: "*", Rule: "permit"}}}
	for i := range 30 {
		setup.Rules = append(setup.Rules, consent.Rule{ID: fmt.Sprintf("r%d", i), Layer: consent.LayerLaw, Effect: consent.Forbid,
			Scope: consent.Scope{Purposes: []hie.Purpose{"HMARKT", "GOVDTRM"}, Jurisdictions: []string{"US-MD"}, Classes: []string{fmt.Sprintf("class-%d", i)}}})
	}
	env, err := consent.NewEnv(setup)
	if err != nil {
		t.Fatal(err)
	}
	day := func(n int) time.Time { return time.Date(2026, 1, n, 0, 0, 0, 0, time.UTC) }
	directive := func(n int, p consent.Provision) consent.Directive {
		return consent.Directive{ID: fmt.Sprint(n), Version: 1, Record: "1", Filed: day(n), Signed: day(n), Verified: true, NetworkWide: true, Status: "active",
			Scope: "patient-privacy", Policies: []string{[]string{consent.PolicySharing, consent.PolicyAdditional, consent.PolicySharing}[n%3]},
			Organizations: []string{fmt.Sprintf("Organization/o%d", n)}, Provision: &p}
	}
	directives := []consent.Directive{
		directive(1, consent.Provision{Type: "deny", Labels: []string{"HIV"}}),
		directive(2, consent.Provision{Type: "permit", Purposes: []string{"TREAT"}, Provisions: []consent.Provision{{Type: "deny", Classes: []string{"imaging"}}}}),
		directive(4, consent.Provision{Type: "deny", Classes: []string{"psychiatry"}}),
	}
	subject := consent.Subject{Records: []consent.Record{{ID: "1", Site: "s1", Link: hie.LinkConfirmed}}}
	return consent.Compile(env, subject, directives), consent.Request{Organization: "oak", Practitioner: "bloom", Roles: []string{"physician"}, CareTeams: []string{}, Purposes: []hie.Purpose{"TREAT"}},
		consent.Document{ID: "d", Record: "1", Site: "s1", Class: "lab", Type: "11502-2", Confidentiality: "N", Sensitivity: []string{}, LabelState: consent.Labelled}
}
