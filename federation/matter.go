package federation

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/directory"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/locator"
	"github.com/concord-hie/concord/mpi"
)

// Directives returns what is on file about records, with the epochs that guard it.
type Directives func(ctx context.Context, records []hie.SourcePatientID) (consent.OnFile, error)

// A standing is what an answer rests on: who belongs to the person, the epochs of their records, and the directory.
type standing struct {
	person  hie.PersonID
	version int64
	epochs  map[hie.SourcePatientID]int64
	// picture stands for the directory and the policies in force.
	picture int64
	// teams are the versions of the care teams that directives name, nil where they name none.
	teams map[string]int64
}

// digest returns a number that stands for s in a cursor: equal standings give equal numbers.
func (s standing) digest() int64 {
	h := uint64(14695981039346656037) // FNV-1a over the numbers
	mix := func(v int64) {
		for i := range 8 {
			h = (h ^ uint64(byte(v>>(8*i)))) * 1099511628211
		}
	}
	mix(int64(s.person))
	mix(s.version)
	mix(s.picture)
	for _, r := range slices.Sorted(maps.Keys(s.epochs)) {
		mix(int64(r))
		mix(s.epochs[r])
	}
	s.teamDigest(mix)
	return int64(h >> 1)
}

// A matter is one requester asking about one person at one instant, with everything a decision needs. Its standing
// was read before what it guards, or with it.
type matter struct {
	standing
	actor   hie.Actor
	members []mpi.Member
	network *directory.Network
	env     *consent.Env
	decider *consent.Decider
	// question is request made ready for the decisions about many documents.
	question *consent.Question
	request  consent.Request
	now      time.Time
	// until is when something about the answers ends by the passing of time alone; zero is never.
	until time.Time
	// shut says that nothing may be disclosed to actor's organisation.
	shut bool
	name func(locator.Ref) string
}

// open reads the rules about p for actor, with the epochs that guard them.
func (x *Exchange) open(ctx context.Context, actor hie.Actor, p mpi.Person) (_ *matter, err error) {
	end := hie.Step(ctx)
	defer func() { end(hie.Span{Name: stepConsent, Outcome: traceOutcome(err)}) }()
	records := p.Records()
	network, env := x.Network(), x.Env()
	if !env.Open() {
		return nil, fmt.Errorf("federation: the policies in force are not known: %w", hie.ErrUnavailable)
	}
	onFile, err := x.Directives(ctx, records)
	if err != nil {
		return nil, err
	}
	m := &matter{standing: standing{person: p.ID, version: p.Version, epochs: onFile.Epochs, picture: env.Version()},
		actor: actor, members: disclosable(network, theirs(actor, p)), shut: shut(actor, network), network: network, env: env, now: onFile.NoEarlier(x.Now()), name: x.DocumentID}
	acts, err := x.represents(ctx, actor, network, m.now)
	if err != nil {
		return nil, err
	}
	m.request = RequestOf(actor, network, p)
	m.decider = consent.Compile(env, SubjectOf(p, onFile), onFile.Directives)
	m.until = acts
	if err := x.joinTeams(ctx, m); err != nil {
		return nil, err
	}
	if ends := m.decider.Until(m.now); !ends.IsZero() && (m.until.IsZero() || ends.Before(m.until)) {
		m.until = ends
	}
	m.ask()
	return m, nil
}

// SubjectOf is p as decisions about them see it: their records, when they died, and what is on file about them.
func SubjectOf(p mpi.Person, onFile consent.OnFile) consent.Subject {
	records := make([]consent.Record, 0, len(p.Members))
	for _, m := range p.Members {
		records = append(records, consent.Record{ID: m.Record.String(), Site: m.Site, Link: m.Link})
	}
	return onFile.Subject(records, p.Died())
}

// ask has m's decider decide about its request from here on.
func (m *matter) ask() { m.question = m.decider.Ask(m.request, m.now) }

// still reports whether m's standing is what it was.
func (x *Exchange) still(ctx context.Context, m *matter) (bool, error) {
	same, err := x.samePerson(ctx, m)
	if err != nil || !same {
		return false, err
	}
	return x.sameRules(ctx, m)
}

// samePerson reports whether m's person has the links it had, under the directory and the policies of then, and nothing has ended
// by the passing of time.
func (x *Exchange) samePerson(ctx context.Context, m *matter) (bool, error) {
	if !m.until.IsZero() && !x.Now().Before(m.until) {
		return false, nil // midnight has struck, or a period has ended
	}
	if x.Network().Version() != m.network.Version() || x.Env().Version() != m.picture {
		return false, nil
	}
	versions, err := x.Patients.Versions(ctx, []hie.PersonID{m.person})
	return err == nil && versions[m.person] == m.version, err
}

// sameRules reports whether the epochs of m's records and the care teams that directives name are what they were.
func (x *Exchange) sameRules(ctx context.Context, m *matter) (bool, error) {
	epochs, err := x.Epochs(ctx, slices.Collect(maps.Keys(m.epochs)))
	if err != nil || !maps.Equal(epochs, m.epochs) {
		return false, err
	}
	return x.sameTeams(ctx, m)
}

// fresh is still, looked at recently enough to act on: seen is when the look began. The two halves of a look are taken in turn
// until one and the next took little time together; while none do nothing leaves.
//
// Source: spec consent 2.14; consent.ReleaseLease.
func (x *Exchange) fresh(ctx context.Context, m *matter) (still bool, seen time.Time, err error) {
	half, other := x.samePerson, x.sameRules
	for n := range 2 * maxLooks {
		began := time.Now()
		if still, err = half(ctx, m); err != nil || !still {
			return false, time.Time{}, err
		}
		if n > 0 && time.Since(seen) < consent.ReleaseLease/2 {
			return true, seen, nil
		}
		seen, half, other = began, other, half
	}
	return false, time.Time{}, fmt.Errorf("federation: the gate is too slow to release anything: %w", hie.ErrUnavailable)
}

// maxLooks bounds how often the standing is looked at for one release.
const maxLooks = 32

// presences returns what is held of m's records.
func (x *Exchange) presences(ctx context.Context, m *matter) ([]locator.Presence, error) {
	records := make([]hie.SourcePatientID, len(m.members))
	for i, member := range m.members {
		records[i] = member.Record
	}
	var held []locator.Presence
	err := traced(ctx, stepLocate, func() (err error) { held, err = x.Holdings.Presence(ctx, records); return err })
	if err != nil {
		return nil, fmt.Errorf("federation: presence: %w", err)
	}
	return held, nil
}

// absent reports whether err means that there is nobody to answer about.
func absent(err error) bool { return errors.Is(err, hie.ErrNotFound) }
