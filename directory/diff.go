package directory

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// A Diff is what applying a file changes, organisations first, then sites, endpoints and defaults, each ordered
// by name. An empty Diff changes nothing.
type Diff []Change

// A Change is one thing that is added, changed or removed.
type Change struct {
	// Verb is "add", "change" or "remove". A removed organisation or site is made inactive, not deleted; one that
	// comes back is added.
	Verb string
	// Object is "organization", "site", "endpoint" or "default".
	Object string
	// Name is its id; for a default, whose it is and what for ("network TREAT *").
	Name string
	// Fields are the values that differ, in the order of the file; for "add" those that are not empty, for
	// "remove" none.
	Fields []Field
}

// A Field is one value before and after; lists are written with commas, "" is absent.
type Field struct {
	Name, Before, After string
}

// Count returns how many changes have verb.
func (d Diff) Count(verb string) int {
	n := 0
	for _, c := range d {
		if c.Verb == verb {
			n++
		}
	}
	return n
}

// String writes d for people, one line a change and one an altered value: "+" added, "~" changed, "-" removed.
func (d Diff) String() string {
	var b strings.Builder
	for _, c := range d {
		sign := map[string]string{"add": "+", "change": "~", "remove": "-"}[c.Verb]
		_, _ = fmt.Fprintf(&b, "%s %s %s\n", sign, c.Object, c.Name)
		for _, f := range c.Fields {
			if c.Verb == "add" {
				_, _ = fmt.Fprintf(&b, "    %s: %s\n", f.Name, f.After)
			} else {
				_, _ = fmt.Fprintf(&b, "    %s: %q -> %q\n", f.Name, f.Before, f.After)
			}
		}
	}
	return b.String()
}

// Compare says what changes from before to after.
func Compare(before, after *Network) Diff {
	var out Diff
	for _, kind := range []struct {
		object string
		rows   func(*Network) map[string][]Field
	}{
		{"organization", organizationRows}, {"site", siteRows}, {"endpoint", endpointRows}, {"default", defaultRows},
	} {
		was, is := kind.rows(before), kind.rows(after)
		names := slices.Collect(maps.Keys(is))
		for name := range was {
			if _, kept := is[name]; !kept {
				names = append(names, name)
			}
		}
		slices.Sort(names)
		for _, name := range names {
			if c, changed := compareRow(was[name], is[name]); changed {
				c.Object, c.Name = kind.object, name
				out = append(out, c)
			}
		}
	}
	return out
}

func compareRow(was, is []Field) (Change, bool) {
	switch {
	case is == nil, was != nil && isActive(was) && !isActive(is):
		return Change{Verb: "remove"}, true
	case was == nil, isActive(is) && !isActive(was):
		c := Change{Verb: "add"}
		for _, f := range is {
			if f.After != "" {
				c.Fields = append(c.Fields, f)
			}
		}
		return c, true
	}
	c := Change{Verb: "change"}
	for i, f := range is {
		if f.After != was[i].After {
			c.Fields = append(c.Fields, Field{Name: f.Name, Before: was[i].After, After: f.After})
		}
	}
	return c, c.Fields != nil
}

// isActive reads the last field of a row, which is "active" for what can be retired.
func isActive(row []Field) bool {
	last := row[len(row)-1]
	return last.Name != "active" || last.After == "yes"
}

func list(values []string) string { return strings.Join(values, ", ") }

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func organizationRows(n *Network) map[string][]Field {
	out := map[string][]Field{}
	for _, o := range n.orgs {
		out[string(o.ID)] = []Field{{"name", "", o.Name}, {"parent", "", string(o.Parent)}, {"identifier", "", o.Identifier},
			{"kind", "", o.Kind}, {"jurisdiction", "", o.Jurisdiction}, {"active", "", yes(o.Active)}}
	}
	return out
}

func siteRows(n *Network) map[string][]Field {
	out := map[string][]Field{}
	for _, s := range n.sites {
		out[string(s.ID)] = []Field{{"org", "", string(s.Org)}, {"name", "", s.Name}, {"phone", "", s.Phone}, {"authorities", "", list(s.Authorities)},
			{"zone", "", s.Zone}, {"jurisdiction", "", s.Jurisdiction}, {"regimes", "", list(s.Regimes)},
			{"labelled", "", yes(s.Labelled)}, {"privilegedRoles", "", list(s.PrivilegedRoles)},
			{"publishes", "", yes(s.Publishes)}, {"membership", "", string(s.Membership)}, {"active", "", yes(s.Active)}}
	}
	return out
}

func endpointRows(n *Network) map[string][]Field {
	out := map[string][]Field{}
	for _, s := range n.sites {
		for i, e := range s.Endpoints {
			var facts []string
			for _, k := range slices.Sorted(maps.Keys(e.Capability)) {
				facts = append(facts, k+"="+e.Capability[k])
			}
			out[e.ID] = []Field{{"site", "", string(s.ID)}, {"rank", "", strconv.Itoa(i + 1)}, {"protocol", "", e.Protocol},
				{"address", "", e.Address}, {"permits", "", strconv.Itoa(e.Permits)}, {"capability", "", list(facts)}}
		}
	}
	return out
}

func defaultRows(n *Network) map[string][]Field {
	out := map[string][]Field{}
	for _, d := range n.defaults {
		out[d.name()] = []Field{{"rule", "", d.Rule}}
	}
	return out
}

// name says whose default d is and what for; no two defaults of a file share one.
func (d Default) name() string {
	whose := "network"
	if d.Site != "" {
		whose = "site " + string(d.Site)
	} else if d.Jurisdiction != "" {
		whose = "jurisdiction " + d.Jurisdiction
	}
	return strings.Join([]string{whose, d.PurposeClass, d.Category}, " ")
}
