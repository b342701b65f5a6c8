package consent

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	"github.com/concord-hie/concord/hie"
)

// A PolicyEvent is one step in the life of a policy: a law pack, the network's rules or a site's. Steps are only ever
// added, so what was in force at any instant can be said for ever.
type PolicyEvent struct {
	Policy string
	// Seq counts the steps of the policy from 1.
	Seq int64
	// Version is the version the step is about; for a step that rolls back, the one that is in force again, 0 for the
	// one the program brings along, or none.
	Version int64
	Action  PolicyAction
	At      time.Time
	By      string // "organisation/person"
	// Effective is from when on Version is in force, set by what activates and what rolls back.
	Effective time.Time
	Note      string
}

// A PolicyAction is a kind of step.
type PolicyAction string

// The steps, in their order: who approves did not draft, and saw a simulation.
const (
	PolicyDrafted    PolicyAction = "draft"
	PolicySimulated  PolicyAction = "simulate"
	PolicyApproved   PolicyAction = "approve"
	PolicyActivated  PolicyAction = "activate"
	PolicyRolledBack PolicyAction = "rollback"
)

// PolicyNotice is how long before it takes effect a change of policy must be recorded at least, so that every node has
// read it when it does.
//
// Source: DESIGN idea 8 (nothing is answered under rules that no longer hold).
const PolicyNotice = 2 * time.Second

// A PolicyHistory is the steps of one policy, in order.
type PolicyHistory []PolicyEvent

// did returns the first step of a kind about version, nil when there is none.
func (h PolicyHistory) did(a PolicyAction, version int64) *PolicyEvent {
	for i := range h {
		if h[i].Action == a && h[i].Version == version {
			return &h[i]
		}
	}
	return nil
}

// Next checks that e may follow on h, and returns it with Seq set. A zero Effective of a step that activates means as
// soon as may be. Errors: *hie.InvalidError with the member at fault; hie.ErrForbidden for who approves what they
// drafted.
//
// Source: issue "Consent": draft, simulate, approve by a second person, effective date, roll back.
func (h PolicyHistory) Next(e PolicyEvent) (PolicyEvent, error) {
	e.Seq = int64(len(h)) + 1
	refuse := func(path, rule string) (PolicyEvent, error) { return PolicyEvent{}, refusedStep(path, rule) }
	if e.By == "" {
		return PolicyEvent{}, hie.ErrForbidden
	}
	draft := h.did(PolicyDrafted, e.Version)
	if e.Action != PolicyDrafted && e.Action != PolicyRolledBack && draft == nil {
		return PolicyEvent{}, hie.ErrNotFound
	}
	switch e.Action {
	case PolicyDrafted:
		e.Version = h.Versions() + 1
	case PolicySimulated:
	case PolicyApproved:
		switch {
		case h.did(PolicySimulated, e.Version) == nil:
			return refuse("version", "must be simulated before it is approved")
		case h.did(PolicyApproved, e.Version) != nil:
			return refuse("version", "is approved already")
		case draft.By == e.By:
			return PolicyEvent{}, hie.ErrForbidden
		}
	case PolicyActivated:
		if h.did(PolicyApproved, e.Version) == nil {
			return refuse("version", "must be approved by a second person before it is activated")
		}
		if e.Effective.IsZero() {
			e.Effective = e.At.Add(PolicyNotice)
		}
		if e.Effective.Before(e.At.Add(PolicyNotice)) {
			return refuse("effective", "must be at least two seconds ahead, so that every node knows in time")
		}
	case PolicyRolledBack:
		back, err := h.back(e.At)
		if err != nil {
			return PolicyEvent{}, err
		}
		e.Version, e.Effective = back.Version, back.Effective
	default:
		return refuse("action", "is not a step of a policy")
	}
	return e, nil
}

// Versions returns how many versions were drafted.
func (h PolicyHistory) Versions() int64 {
	n := int64(0)
	for _, e := range h {
		if e.Action == PolicyDrafted {
			n = max(n, e.Version)
		}
	}
	return n
}

// A course is what a history comes to.
type course struct {
	// turns are the steps that put a version in force, in the order they take effect: of two for one instant the one recorded
	// last counts. What was called off before its day is not among them.
	turns []PolicyEvent
	// standing are the activations among turns that were not rolled back, in the same order.
	standing []PolicyEvent
}

// course follows h step by step. A rollback that names the instant of an activation which is yet to come calls that one off;
// any other puts a version in force again, and undoes the activations it goes back behind.
func (h PolicyHistory) course() course {
	var c course
	for _, e := range h {
		switch e.Action {
		case PolicyActivated:
			c.turns, c.standing = append(c.turns, e), append(c.standing, e)
			sortByEffect(c.turns)
			sortByEffect(c.standing)
		case PolicyRolledBack:
			if off, is := c.scheduled(e.At); is && off.Effective.Equal(e.Effective) {
				c.callOff(off)
				continue
			}
			undone := c.undoneAt(e.At)
			c.standing = slices.DeleteFunc(c.standing, func(a PolicyEvent) bool {
				return slices.ContainsFunc(undone, func(u PolicyEvent) bool { return u.Seq == a.Seq })
			})
			c.turns = append(c.turns, e)
			sortByEffect(c.turns)
		}
	}
	return c
}

func sortByEffect(steps []PolicyEvent) {
	slices.SortStableFunc(steps, func(a, b PolicyEvent) int {
		return cmp.Or(a.Effective.Compare(b.Effective), cmp.Compare(a.Seq, b.Seq))
	})
}

// scheduled returns the last activation that is yet to take effect at now.
func (c *course) scheduled(now time.Time) (PolicyEvent, bool) {
	if n := len(c.standing); n > 0 && c.standing[n-1].Effective.After(now) {
		return c.standing[n-1], true
	}
	return PolicyEvent{}, false
}

func (c *course) callOff(e PolicyEvent) {
	same := func(o PolicyEvent) bool { return o.Seq == e.Seq }
	c.turns, c.standing = slices.DeleteFunc(c.turns, same), slices.DeleteFunc(c.standing, same)
}

// undoneAt returns the activations that rolling back at now undoes: the last one that took effect, and those of the same
// version straight before it.
func (c *course) undoneAt(now time.Time) []PolicyEvent {
	n := len(c.standing)
	for n > 0 && c.standing[n-1].Effective.After(now) {
		n--
	}
	first := n
	for first > 0 && c.standing[first-1].Version == c.standing[n-1].Version {
		first--
	}
	return slices.Clone(c.standing[first:n])
}

// inForce returns the version in force at t, and the next turn, zero for none.
func (c *course) inForce(t time.Time) (version int64, next time.Time) {
	for _, e := range c.turns {
		if e.Effective.After(t) {
			return version, e.Effective
		}
		version = e.Version
	}
	return version, time.Time{}
}

// InForce returns the version in force at t, 0 for the one the program brings along, or none, and the next instant at
// which that may change, zero for none that is known.
func (h PolicyHistory) InForce(t time.Time) (version int64, next time.Time) {
	c := h.course()
	return c.inForce(t)
}

// back returns what rolling back at now brings. What is yet to take effect is called off, the last one first; the Effective is
// then its own. Else what was in force before the present version is in force again; what was rolled back before never is.
func (h PolicyHistory) back(now time.Time) (PolicyEvent, error) {
	c := h.course()
	if off, is := c.scheduled(now); is {
		c.callOff(off)
		version, _ := c.inForce(off.Effective)
		return PolicyEvent{Version: version, Effective: off.Effective}, nil
	}
	undone := c.undoneAt(now)
	switch {
	case len(c.turns) > 0 && c.turns[len(c.turns)-1].Effective.After(now):
		return PolicyEvent{}, refusedStep("policy", "is being rolled back already")
	case len(undone) == 0 && len(c.turns) > 0:
		return PolicyEvent{}, refusedStep("policy", "was rolled back to what was in force before its first activation")
	case len(undone) == 0:
		return PolicyEvent{}, refusedStep("policy", "was never activated: there is nothing to roll back")
	}
	version := int64(0)
	if n := slices.IndexFunc(c.standing, func(e PolicyEvent) bool { return e.Seq == undone[0].Seq }); n > 0 {
		version = c.standing[n-1].Version
	}
	return PolicyEvent{Version: version, Effective: now.Add(PolicyNotice)}, nil
}

func refusedStep(path, rule string) error {
	return &hie.InvalidError{Path: path, Rule: rule, Code: "business-rule"}
}

// State says where a version stands at now: "draft", "simulated", "approved", "scheduled", "in force" or "past".
func (h PolicyHistory) State(version int64, now time.Time) string {
	if v, _ := h.InForce(now); v == version {
		return "in force"
	}
	state := "draft"
	for _, e := range h {
		switch {
		case e.Version != version:
		case e.Action == PolicySimulated && state == "draft":
			state = "simulated"
		case e.Action == PolicyApproved:
			state = "approved"
		}
	}
	c := h.course()
	for _, e := range c.turns {
		if e.Version != version {
			continue
		}
		if v, _ := c.inForce(e.Effective); e.Effective.After(now) && v == version {
			return "scheduled"
		}
		state = "past"
	}
	return state
}

// A StoredPack is one version of a policy as received.
type StoredPack struct {
	Version   int64
	Content   []byte
	Signature string
	Pack      Pack
}

// A PackVersion is a pack as it is in force: Version 0 came with the program.
type PackVersion struct {
	Version int64
	Pack    Pack
}

// In adds what packs say to o. Each rule is named with the version of its pack, so that an explanation cites it.
func (o Options) In(packs []PackVersion, now time.Time) Options {
	h := uint64(fnvOffset)
	o.Worded = true
	for _, v := range packs {
		p := &v.Pack
		for _, b := range []byte(p.ID + " " + p.Edition) {
			h = mix(h, uint64(b))
		}
		if h = mix(h, uint64(v.Version)); p.Holds(now) {
			h = mix(h, 1)
		}
		said := p.spoken(v.Version)
		for _, r := range p.rules() {
			r.speak(said)
			if v.Version > 0 {
				r.ID = p.ID + "/" + strconv.FormatInt(v.Version, 10) + ":" + r.ID
			}
			o.Rules = append(o.Rules, r)
		}
		if !p.Holds(now) {
			continue
		}
		o.Statements = append(o.Statements, said...)
		o.Policies = append(o.Policies, p.Policies...)
		o.Defaults = append(o.Defaults, p.Defaults...)
		o.Sensitivities = append(o.Sensitivities, p.Sensitivities...)
		o.Notice = reticent(o.Notice, p.Withheld)
	}
	o.Version = int64(h >> 1)
	return o
}

// PackTurn returns the first instant after now at which a pack's law begins or ends, zero for none.
func PackTurn(packs []PackVersion, now time.Time) (next time.Time) {
	for _, v := range packs {
		for _, t := range []time.Time{v.Pack.From, v.Pack.Until} {
			if t.After(now) && (next.IsZero() || t.Before(next)) {
				next = t
			}
		}
	}
	return next
}
