package consent

import "slices"

// A siteRule is a rule with how the part of its scope that depends on the site alone (and on the purpose, once that is
// known) matches, which is not no; and beside it what of the rule is looked at for every document.
type siteRule struct {
	*rule
	here    tri
	bounded bool // by from or to
	asks    bool
	classes []string
	labels  *labels
}

func (r *rule) at(here tri) siteRule {
	return siteRule{rule: r, here: here, bounded: r.from != always || r.to != forever, asks: r.asks, classes: some(r.Scope.Classes), labels: r.labels}
}

// askedRules are the rules of a site that may speak of one purpose, looked up once: what is the same for everybody is not
// looked at for every document.
//
// Source: spec consent section 4 (partial evaluation).
type askedRules struct {
	purpose *purpose
	all     []siteRule
	// classes are those that some of all name, at most maxClasses. ofClass are, for each of them and last for any other class,
	// those of all that may speak of it.
	classes []string
	ofClass [][]siteRule
}

// maxClasses is how many classes the rules of a site are told apart by. Law and policies name fewer than ten.
const maxClasses = 32

// rulesFor returns the rules of s that may speak of p, their purposes matched.
func (s *site) rulesFor(p *purpose) *askedRules {
	known := s.asked.Load()
	if known != nil {
		for _, a := range *known {
			if a.purpose == p {
				return a
			}
		}
	}
	a := s.selectRules(p)
	next := []*askedRules{a}
	if known != nil {
		next = append(slices.Clip(*known), a)
	}
	s.asked.CompareAndSwap(known, &next) // who loses a race selects them anew next time
	return a
}

func (s *site) selectRules(p *purpose) *askedRules {
	a := &askedRules{purpose: p}
	for i := range s.rules {
		if m := s.rules[i].ofPurpose(p); m != no {
			a.all = append(a.all, s.rules[i].at(min(s.rules[i].here, m)))
		}
	}
	for i := range a.all {
		for _, c := range a.all[i].classes {
			if !slices.Contains(a.classes, c) {
				a.classes = append(a.classes, c)
			}
		}
	}
	if len(a.classes) > maxClasses {
		a.classes = nil
	}
	if a.classes == nil {
		a.ofClass = [][]siteRule{a.all}
		return a
	}
	const anyOther = "\x00any other" // no class is called so
	for _, class := range append(slices.Clip(a.classes), anyOther) {
		var list []siteRule
		for i := range a.all {
			if r := &a.all[i]; r.classes == nil || among(class, r.classes) != no {
				list = append(list, *r)
			}
		}
		a.ofClass = append(a.ofClass, list)
	}
	return a
}

// about returns those that may speak of a document of this class: of one whose class is not known, all.
func (a *askedRules) about(class string) []siteRule {
	if class == "" {
		return a.all
	}
	at := 0
	for at < len(a.classes) && a.classes[at] != class {
		at++
	}
	return a.ofClass[at]
}
