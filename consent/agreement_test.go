package consent_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/consent/consentfhir"
)

func (o *oracle) engine(t *testing.T) *consent.Decider {
	o.setup.Zone = func(name string) (*time.Location, error) { return zoneNamed(name), nil }
	env, err := consent.NewEnv(o.setup)
	if err != nil {
		t.Fatal(err)
	}
	return consent.Compile(env, o.subj, o.dirs)
}

func asVerdict(d consent.Decision) verdict {
	v := verdict{release: d.Release, reason: d.Reason.String(), obligations: d.Obligations, atoms: map[string]bool{}}
	d.Atoms.Each(func(label string, permit bool) { v.atoms[label] = permit })
	return v
}

func (v verdict) String() string {
	return fmt.Sprint(v.release, v.reason, v.atoms, v.obligations)
}

const agreementCases = 120_000

// TestTheEngineAgreesWithASecondReading compares what concord consent decide answers with the oracle on random
// cases. CONCORD_CONSENT_CASES and CONCORD_CONSENT_SEED give more of them, and others.
func TestTheEngineAgreesWithASecondReading(t *testing.T) {
	n, seed := agreementCases, uint64(7)
	if v, err := strconv.Atoi(os.Getenv("CONCORD_CONSENT_CASES")); err == nil {
		n = v
	}
	if v, err := strconv.ParseUint(os.Getenv("CONCORD_CONSENT_SEED"), 10, 64); err == nil {
		seed = v
	}
	if testing.Short() {
		n /= 25
	}
	workers := runtime.GOMAXPROCS(0)
	var wg sync.WaitGroup
	var mu sync.Mutex
	seen, failures := map[string]int{}, 0
	for w := range workers {
		wg.Go(func() {
			mine := map[string]int{}
			var zones consentfhir.Zones
			for i := w; i < n; i += workers {
				g := gen{rand.New(rand.NewPCG(uint64(i), seed))}
				o := g.all()
				want := o.decide()
				mine[want.reason]++
				got, err := asVerdict(o.engine(t).Decide(o.req, o.doc, o.now)), error(nil)
				if i%5 == 0 || n > agreementCases { // read from a line as well; that costs more than all the rest
					var read verdict
					if read, err = answer(o.line(g, strconv.Itoa(i)), strconv.Itoa(i), &zones); err == nil && read.String() != got.String() {
						err = fmt.Errorf("read from its line it is %v", read)
					}
				}
				if err != nil || got.String() != want.String() {
					mu.Lock()
					if failures++; failures <= 3 {
						t.Errorf("case %d: engine %v, oracle %v, %v\n%s", i, got, want, err, o.dump())
					}
					mu.Unlock()
				}
			}
			mu.Lock()
			defer mu.Unlock()
			for r, k := range mine {
				seen[r] += k
			}
		})
	}
	wg.Wait()
	if failures > 0 {
		t.Errorf("%d of %d cases differ", failures, n)
	}
	for _, r := range oracleOrder {
		if seen[r] < n/5000 {
			t.Errorf("reason %s arose in only %d of %d cases: the generator no longer reaches it", r, seen[r], n)
		}
	}
	t.Log(seen)
}

// dump shows a made-up case; nothing in it is about anybody.
func (o *oracle) dump() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	for _, s := range o.setup.Sites {
		line("site %+v", s)
	}
	line("orgs %+v\ndefaults %+v home %v", o.setup.Organizations, o.setup.Defaults, o.setup.HomeDefault)
	for _, r := range o.setup.Rules {
		line("rule %+v", r)
	}
	line("subject %+v %v\nrequest org=%s prac=%s roles=%q teams=%q purposes=%q instruments=%q abilities=%q emergency=%t", o.subj.Records, o.subj.Home,
		o.req.Organization, o.req.Practitioner, o.req.Roles, o.req.CareTeams, o.req.Purposes, o.req.Instruments, o.req.Abilities, o.req.Emergency != nil)
	line("document %+v", o.doc)
	for _, d := range o.dirs {
		line("%s rec=%s filed=%v signed=%v v=%t nw=%t abs=%t rtd=%t %s %s perf=%q orgs=%q pol=%q rules=%q mod=%t", d.ID, d.Record, d.Filed, d.Signed, d.Verified, d.NetworkWide,
			d.Absolute, d.ReturnToDefault, d.Status, d.Scope, d.Performers, d.Organizations, d.Policies, d.PolicyRules, d.Modified)
		if d.Provision != nil {
			dumpProvision(line, *d.Provision, 1)
		}
	}
	return b.String()
}

func dumpProvision(line func(string, ...any), p consent.Provision, depth int) {
	kids := p.Provisions
	p.Provisions = nil
	var teams []string
	for _, a := range p.Actors {
		if a.Team != nil {
			teams = append(teams, fmt.Sprintf("%+v", *a.Team))
		}
	}
	line("%s%+v period=%v times=%v teams=%v", strings.Repeat("  ", depth), p, p.Period, p.DataPeriod, teams)
	for _, k := range kids {
		dumpProvision(line, k, depth+1)
	}
}

// TestWhatPeopleShareAnswersAsIfItWereTheirOwn decides about random people under one environment, where what their directives
// say is made ready once for all who say the same, and about each under an environment of their own.
func TestWhatPeopleShareAnswersAsIfItWereTheirOwn(t *testing.T) {
	released, groups := 0, 200
	if testing.Short() {
		groups = 40
	}
	for group := range groups {
		g := gen{rand.New(rand.NewPCG(uint64(group), 43))}
		first := g.all()
		first.engine(t) // gives the setup its zones
		shared, err := consent.NewEnv(first.setup)
		if err != nil {
			t.Fatal(err)
		}
		for range 30 {
			o := g.all()
			o.setup = first.setup
			another := slices.Clone(o.dirs) // somebody who said the same at other times, before them
			for i := range another {
				d := &another[i]
				d.Filed, d.Signed, d.Verified, d.Performers = g.day(), g.day(), g.chance(50), []string{"RelatedPerson/somebody"}
			}
			consent.Compile(shared, o.subj, another)
			got, want := asVerdict(consent.Compile(shared, o.subj, o.dirs).Decide(o.req, o.doc, o.now)), asVerdict(o.engine(t).Decide(o.req, o.doc, o.now))
			if got.String() != want.String() {
				t.Fatalf("%v among others, %v alone\n%s", got, want, o.dump())
			}
			if got.release {
				released++
			}
		}
	}
	if released < groups {
		t.Errorf("only %d of %d are released: little is shown", released, groups*30)
	}
}
