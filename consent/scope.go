package consent

import (
	"slices"
	"strings"
)

// A scope is what a node effectively speaks of: what it states, and what it inherits where it states nothing. A
// nil dimension is unlimited.
//
// Source: spec consent 2.6; spec consent-cases 2.
type scope struct {
	period    *span
	recipient []recipient
	source    []source
	purpose   *purposes
	label     *labels
	// stated is the label as the nearest ancestor (or the node itself) stated it; label is what of it limits this node.
	stated *labels
	class  []string
	code   []string
	data   []datum
	times  *span // dataPeriod
	// action is whether the actions stated are those of giving access.
	action *tri
}

// span is a period as read, or one that cannot be read.
type span struct {
	interval
	unreadable bool
	raw        Period
}

// limits are the kinds of dimensions that a node states.
type limits uint8

const (
	limitPurpose limits = 1 << iota // as actsOn holds it
	limitLabel                      // the same
	limitRequest                    // what else depends on the request
	limitKind                       // what else depends on the kind of the document
	limitRow                        // what belongs to single documents
)

// actsOn is what nearly every node states, as sets of that on which the node acts in its own sense: unknown is settled when
// they are made.
type actsOn struct {
	limits   limits
	levels   levelSet // confidentialities
	atoms    atomSet
	purposes purposeSet // the purposes stated, of which one must cover what is asked
}

// actsOf makes the sets of s, read in this sense.
func (s *scope) actsOf(as sense) (a actsOn) {
	if p := s.purpose; p != nil && !(as == denying && p.odd != nil) { // a deny on a purpose nobody knows acts on any
		if p.beyond {
			a.limits |= limitRequest
		} else {
			a.limits, a.purposes = a.limits|limitPurpose, p.set
		}
	}
	if l := s.label; l != nil {
		if l.odd != nil && as == permitting { // which code outside the list an atom is, no set tells
			a.limits |= limitKind
		} else {
			a.limits |= limitLabel
			a.levels, a.atoms = l.actsOn(as)
		}
	}
	if s.period != nil || s.recipient != nil || s.action != nil {
		a.limits |= limitRequest
	}
	if s.class != nil || s.code != nil || s.source != nil {
		a.limits |= limitKind
	}
	if s.times != nil || s.data != nil {
		a.limits |= limitRow
	}
	return a
}

// matches reports whether n, of c, acts on q. What is cheap to look at comes first, and what belongs to single documents last,
// so that q.row tells whether it mattered.
func (n *node) matches(q *query, c *compiled) bool {
	has := n.acts.limits
	if has&limitLabel != 0 && !n.actsOnLabels(q) {
		return false
	}
	if q.silent != nil {
		if q.silent.has(int(c.firstNode + n.index)) {
			return false
		}
	} else if !n.actsOnRequest(q) {
		return false
	}
	return (has&limitKind == 0 || n.scope.matchesKind(q, n.sense)) && (has&limitRow == 0 || n.scope.matchesRow(q, n.sense))
}

// actsOnLabels is [labels.match] by the sets: a deny acts on either axis, a permit needs both.
func (n *node) actsOnLabels(q *query) bool {
	level, atom := n.acts.levels.has(q.level), n.acts.atoms.has(q.atom.kind)
	if n.sense == denying {
		return level || atom
	}
	return level && atom
}

// actsOnRequest is the part that is the same for every document of a request.
func (n *node) actsOnRequest(q *query) bool {
	has := n.acts.limits
	if has&limitPurpose != 0 && !n.acts.purposes.meets(q.purpose.coveredIn(n.sense)) {
		return false
	}
	return has&limitRequest == 0 || n.scope.matchesRequest(q, n.sense)
}

// matchesRequest looks at the dimensions of a request one by one.
func (s *scope) matchesRequest(q *query, as sense) bool {
	if s.period != nil {
		m := unknown
		if !s.period.unreadable {
			m = known(s.period.holds(q.now))
		}
		if !as.acts(m) {
			return false
		}
	}
	if s.purpose != nil && !as.acts(s.purpose.match(q.purpose, as)) {
		return false
	}
	if s.recipient != nil && !as.acts(matchRecipients(s.recipient, q)) {
		return false
	}
	return s.action == nil || as.acts(*s.action)
}

// matchesKind looks at the dimensions of a document's kind one by one.
func (s *scope) matchesKind(q *query, as sense) bool {
	if s.label != nil && !as.acts(s.label.match(q.level, q.atom, as)) {
		return false
	}
	if s.class != nil && !as.acts(matchCodes(s.class, q.doc.Class)) {
		return false
	}
	if s.code != nil && !as.acts(matchCodes(s.code, q.doc.Type)) {
		return false
	}
	return s.source == nil || as.acts(matchSources(s.source, q))
}

// matchesRow looks at what belongs to single documents.
func (s *scope) matchesRow(q *query, as sense) bool {
	q.row = true
	return (s.times == nil || as.acts(s.times.match(q.times, as))) && (s.data == nil || as.acts(matchData(s.data, q, as)))
}

// matchRecipients and matchSources are the match of one element: TRUE if any value is, else UNKNOWN if any is.
func matchRecipients(values []recipient, q *query) tri {
	m := no
	for i := range values {
		if m = max(m, values[i].match(q)); m == yes {
			break
		}
	}
	return m
}

func matchSources(values []source, q *query) tri {
	m := no
	for i := range values {
		if m = max(m, values[i].match(q)); m == yes {
			break
		}
	}
	return m
}

// matchCodes compares a node's codes with the document's one.
func matchCodes(codes []string, value string) tri {
	if value == "" {
		return unknown
	}
	m := no
	for _, c := range codes {
		if c == value {
			return yes
		}
		if c == "" {
			m = unknown
		}
	}
	return m
}

func matchActions(codes []string) tri {
	m := no
	for _, c := range codes {
		m = max(m, readAction(c))
	}
	return m
}

// match compares the document's interval: a permit needs it contained, a deny overlapped.
func (s *span) match(doc interval, as sense) tri {
	switch {
	case s.unreadable:
		return unknown
	case as == denying:
		return known(doc.overlaps(s.interval))
	default:
		return known(doc.within(s.interval))
	}
}

// purposes is a stated purpose list.
type purposes struct {
	known []*purpose
	odd   []string // codes outside the tree
	// set is known; beyond says that some of it lie outside the set.
	set    purposeSet
	beyond bool
}

func (p *purposes) add(q *purpose) {
	p.known = append(p.known, q)
	p.set.add(q)
	p.beyond = p.beyond || q.index >= maxPurposeSet
}

// covers reports whether one of p speaks of asked, as [purpose.coveredBy] says.
func (p *purposes) covers(asked *purpose, as sense) bool {
	if p.beyond {
		return slices.ContainsFunc(p.known, func(q *purpose) bool { return asked.coveredBy(q, as) })
	}
	return asked.coveredIn(as).meets(&p.set)
}

func (p *purposes) match(asked *purpose, as sense) tri {
	if p.covers(asked, as) {
		return yes
	}
	if p.odd != nil {
		return unknown
	}
	return no
}

// A recipient is one stated recipient. Elements it states are AND.
type recipient struct {
	raw          string // identity, for values that cannot be resolved
	unresolved   bool
	organization *party
	practitioner *party
	team         string
	roles        []string
}

// party is a named organisation or practitioner.
type party struct {
	raw string
	org *org
	id  string // bare practitioner id; "" when it cannot be read
}

func (r *recipient) match(q *query) tri {
	if r.unresolved {
		return unknown
	}
	m := yes
	if r.organization != nil {
		if r.organization.org == nil {
			m = unknown
		} else {
			m = known(q.org.under(r.organization.org))
		}
	}
	if r.practitioner != nil && m != no {
		if r.practitioner.id == "" || q.req.Practitioner == "" {
			m = unknown
		} else {
			m = min(m, known(r.practitioner.id == q.req.Practitioner))
		}
	}
	if r.team != "" && m != no {
		if q.req.CareTeams == nil || slices.Contains(q.req.DoubtfulTeams, r.team) {
			m = unknown
		} else {
			m = min(m, known(slices.Contains(q.req.CareTeams, r.team)))
		}
	}
	if r.roles != nil && m != no {
		held := no
		switch {
		case q.req.Roles == nil:
			held = unknown
		default:
			for _, code := range r.roles {
				if code == "" {
					held = max(held, unknown)
				} else if slices.Contains(q.req.Roles, code) {
					held = yes
				}
			}
		}
		m = min(m, held)
	}
	return m
}

// A source is one stated source of documents: an organisation or a site.
type source struct {
	raw  string
	org  *org
	site *site
}

func (s *source) match(q *query) tri {
	switch {
	case s.site != nil:
		return known(s.site == q.site)
	case s.org == nil || q.site.org == nil:
		return unknown
	}
	return known(q.site.org.under(s.org))
}

// A datum is one piece of data a node speaks of.
type datum struct {
	Data
	kind, id string // of the reference: "Encounter", "e1"
	org      *org   // of an Organization reference that is listed
}

// matchData matches a document against pieces of data. A deny on an instance follows what the document
// replaces, a permit does not.
//
// Source: spec consent-cases 9; spec consent 2.21.
func matchData(data []datum, q *query, as sense) tri {
	m := no
	for i := range data {
		d := &data[i]
		switch d.Meaning {
		case "instance":
			m = max(m, d.instance(q, as, ""))
		case "related":
			m = max(m, d.instance(q, as, "Encounter"))
		case "authoredby":
			m = max(m, d.author(q))
		default: // dependents, and what nobody here knows
			m = max(m, unknown)
		}
		if m == yes {
			break
		}
	}
	return m
}

func (d *datum) instance(q *query, as sense, also string) tri {
	switch {
	case d.kind == "DocumentReference" && q.doc.ID == "" && !(as == denying && slices.Contains(q.doc.Replaces, d.id)):
		return unknown // a document without an id may be the one meant
	case d.kind == "DocumentReference":
		return known(d.id == q.doc.ID || as == denying && slices.Contains(q.doc.Replaces, d.id))
	case d.kind == "Encounter" && also == "Encounter":
		if q.doc.Encounter == "" {
			return unknown
		}
		return known(d.id == q.doc.Encounter)
	}
	return unknown
}

func (d *datum) author(q *query) tri {
	if d.kind == "" || d.kind == "Organization" && d.org == nil {
		return unknown
	}
	m, sameKind := no, false
	for _, a := range q.doc.Authors {
		kind, id := splitReference(a)
		if kind == "" {
			m = max(m, unknown) // who that is cannot be read
			continue
		}
		if kind != d.kind {
			continue
		}
		sameKind = true
		if kind != "Organization" {
			m = max(m, known(id == d.id))
		} else if o := q.env.orgs[orgID(id)]; o == nil {
			m = max(m, unknown)
		} else {
			m = max(m, known(o.under(d.org)))
		}
	}
	if !sameKind {
		return unknown
	}
	return m
}

// splitReference splits "Kind/id"; anything else gives "", "".
func splitReference(ref string) (kind, id string) {
	kind, id, ok := strings.Cut(ref, "/")
	if !ok || kind == "" || id == "" || strings.Contains(id, "/") {
		return "", ""
	}
	return kind, id
}
