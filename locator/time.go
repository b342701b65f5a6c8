package locator

import "time"

// A Box is one test of a span of time: Start in [StartFrom, StartBefore), End in (EndAfter, EndUntil]. A zero
// bound does not limit. Every FHIR date comparison is one box or two of them as alternatives.
type Box struct {
	StartFrom, StartBefore time.Time
	EndAfter, EndUntil     time.Time
}

// Holds reports whether s passes. An absent span passes no test.
func (b Box) Holds(s Span) bool {
	if s.IsZero() {
		return false
	}
	switch {
	case !b.StartFrom.IsZero() && (s.Start.IsZero() || s.Start.Before(b.StartFrom)):
		return false
	case !b.StartBefore.IsZero() && !s.Start.IsZero() && !s.Start.Before(b.StartBefore):
		return false
	case !b.EndAfter.IsZero() && !s.End.IsZero() && !s.End.After(b.EndAfter):
		return false
	case !b.EndUntil.IsZero() && (s.End.IsZero() || s.End.After(b.EndUntil)):
		return false
	}
	return true
}

// Compare returns the alternatives that stand for "prefix sought" on a span: prefix is one of eq ne gt ge lt
// le sa eb ap, sought the span the given date covers, now is for ap alone (a tenth of the distance to now on
// either side). An unknown prefix gives none.
//
// Source: FHIR R4 search 3.1.1.5.5 (date) and 3.1.1.4.2 (prefixes).
func Compare(prefix string, sought Span, now time.Time) []Box {
	eq := Box{StartFrom: sought.Start, EndUntil: sought.End}
	gt := Box{EndAfter: sought.End}
	lt := Box{StartBefore: sought.Start}
	switch prefix {
	case "eq":
		return []Box{eq}
	case "ne":
		return []Box{lt, gt}
	case "gt":
		return []Box{gt}
	case "ge":
		return []Box{gt, eq}
	case "lt":
		return []Box{lt}
	case "le":
		return []Box{lt, eq}
	case "sa":
		return []Box{{StartFrom: sought.End}}
	case "eb":
		return []Box{{EndUntil: sought.Start}}
	case "ap":
		margin := now.Sub(sought.Start).Abs() / 10
		return []Box{{StartBefore: sought.End.Add(margin), EndAfter: sought.Start.Add(-margin)}}
	default:
		return nil
	}
}
