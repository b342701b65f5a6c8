package consent

import (
	"slices"

	"github.com/concord-hie/concord/hie"
)

// defaultRule is what holds when no directive speaks, from the least to the most restrictive.
type defaultRule uint8

const (
	defaultPermit defaultRule = iota
	defaultNormal
	defaultBTG
	defaultDeny
)

func readDefault(s string) defaultRule {
	switch s {
	case "permit":
		return defaultPermit
	case "basic-normal":
		return defaultNormal
	case "btg-only":
		return defaultBTG
	}
	return defaultDeny
}

type defaultRow struct {
	purposeClass, category string
	rule                   defaultRule
}

func (e *Env) addDefault(d Default) {
	row := defaultRow{d.PurposeClass, d.Category, readDefault(d.Rule)}
	if d.Network {
		e.network = append(e.network, row)
	}
	if s := e.sites[d.Site]; s != nil {
		s.rows = append(s.rows, row)
	}
	if d.Jurisdiction != "" {
		e.home[d.Jurisdiction] = append(e.home[d.Jurisdiction], row)
	}
	if d.Category != "*" && !slices.Contains(e.classes, d.Category) {
		e.classes = append(e.classes, d.Category)
	}
}

// pick returns what one origin's rows say for a purpose class and a document class: a row naming the purpose
// class outranks "*", then one naming the category; of equal rows the most restrictive counts.
func pick(rows []defaultRow, root hie.Purpose, class string) (rule defaultRule, ok bool) {
	best := -1
	for _, r := range rows {
		rank := 0
		switch {
		case r.purposeClass == string(root):
			rank += 2
		case r.purposeClass != "*":
			continue
		}
		switch {
		case class != "" && r.category == class:
			rank++
		case r.category != "*":
			continue
		}
		if rank > best {
			best, rule, ok = rank, r.rule, true
		} else if rank == best {
			rule = max(rule, r.rule)
		}
	}
	return rule, ok
}

// defaultFor returns the most restrictive answer of the network, the document's site and, if the network says
// so, the patient's home jurisdiction. No answer at all is a deny.
//
// Source: spec consent 2.9; spec consent-cases 24.
func (e *Env) defaultFor(q *query, class string) defaultRule {
	worst, any := defaultPermit, false
	add := func(rows []defaultRow) {
		if r, ok := pick(rows, q.purpose.root(), class); ok {
			worst, any = max(worst, r), true
		}
	}
	add(e.network)
	add(q.site.rows)
	if e.homeToo {
		if q.who.Home == "" {
			return defaultDeny
		}
		add(e.home[q.who.Home])
	}
	if !any {
		return defaultDeny
	}
	return worst
}

// byDefault answers when no directive speaks. A document without class gets the most restrictive answer of
// every class a row names, and of one none names.
func (e *Env) byDefault(q *query) (Reason, defaultRule) {
	rule := e.defaultFor(q, q.doc.Class)
	if q.doc.Class == "" {
		for _, class := range e.classes {
			rule = max(rule, e.defaultFor(q, class))
		}
	}
	switch rule {
	case defaultPermit:
		return ReasonDefault, rule
	case defaultNormal:
		level := q.level
		if level == noConfidentiality && q.site.Unlabelled && q.doc.LabelState != Labelled && q.doc.LabelState != LabelledInPart {
			level = normal // "as N" holds only at sites known not to label
		}
		if q.purpose.treatment && !q.purpose.breakGlass && level != noConfidentiality && level <= normal {
			return ReasonDefault, rule
		}
		return ReasonDefaultNormal, rule
	case defaultBTG:
		return ReasonDefaultBTG, rule
	}
	return ReasonDefaultDeny, rule
}

func (r defaultRule) String() string {
	return [...]string{"permit", "basic-normal", "btg-only", "deny"}[r]
}
