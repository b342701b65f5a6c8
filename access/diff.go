package access

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/concord-hie/concord/hie"
)

// A Change is one client that is added or changed.
type Change struct {
	// Verb is "add" or "change".
	Verb   string
	Client hie.ClientID
	// Fields are the values that differ, in the order of the file.
	Fields []Field
	// EndsTokens says that tokens issued so far end with the change.
	EndsTokens bool
}

// A Field is one value before and after; lists are written with commas, "" is absent.
type Field struct {
	Name, Before, After string
}

// A Diff is what applying registrations changes, in their order. An empty Diff changes nothing.
type Diff []Change

// String writes d for people, one line a change and one an altered value: "+" added, "~" changed.
func (d Diff) String() string {
	var b strings.Builder
	for _, c := range d {
		sign := "~"
		if c.Verb == "add" {
			sign = "+"
		}
		_, _ = fmt.Fprintf(&b, "%s client %s\n", sign, c.Client)
		for _, f := range c.Fields {
			if c.Verb == "add" {
				_, _ = fmt.Fprintf(&b, "    %s: %s\n", f.Name, f.After)
			} else {
				_, _ = fmt.Fprintf(&b, "    %s: %q -> %q\n", f.Name, f.Before, f.After)
			}
		}
		if c.EndsTokens {
			_, _ = fmt.Fprintln(&b, "    tokens issued so far end")
		}
	}
	return b.String()
}

// Compare says what registering after changes in s. Clients that after does not name stay as they are.
func (s *Snapshot) Compare(after []Client) Diff {
	var out Diff
	for _, c := range after {
		was, known := s.Client(c.ID)
		change := Change{Verb: "add", Client: c.ID}
		if known {
			change.Verb = "change"
			change.EndsTokens = narrows(was, c)
		}
		old := fieldsOf(was)
		for i, f := range fieldsOf(c) {
			if known {
				f.Before = old[i].After
			}
			if f.Before != f.After {
				change.Fields = append(change.Fields, f)
			}
		}
		if change.Fields != nil {
			out = append(out, change)
		}
	}
	return out
}

func fieldsOf(c Client) []Field {
	var purposes, keys, delegations []string
	for _, p := range c.Purposes {
		purposes = append(purposes, string(p))
	}
	for _, k := range c.Keys {
		keys = append(keys, k.Kid+" ("+k.Alg+" "+k.Thumbprint+")")
	}
	slices.Sort(keys)
	for _, d := range c.Delegations {
		text := string(d.Principal)
		if !d.Until.IsZero() {
			text += " until " + d.Until.UTC().Format(time.RFC3339)
		}
		delegations = append(delegations, text)
	}
	patient := ""
	if c.PatientAccess {
		patient = "yes"
	}
	list := func(s []string) string { return strings.Join(s, ", ") }
	return []Field{{"name", "", c.Name}, {"organization", "", string(c.Organization)}, {"status", "", string(c.Status)},
		{"scopes", "", list(c.Scopes)}, {"purposes", "", list(purposes)}, {"exchanges", "", list(c.Exchanges)}, {"abilities", "", list(c.Abilities)}, {"roles", "", list(c.Roles)}, {"patient_access", "", patient},
		{"delegations", "", list(delegations)}, {"keys", "", list(keys)}}
}

// narrows reports whether after allows less than before, so that tokens issued under before must end.
func narrows(before, after Client) bool {
	if after.Status != Active || before.Organization != after.Organization || before.PatientAccess != after.PatientAccess ||
		!within(before.Scopes, after.Scopes) || !within(before.Purposes, after.Purposes) || !within(before.Exchanges, after.Exchanges) || !within(before.Roles, after.Roles) ||
		!within(before.Delegations, after.Delegations) {
		return true
	}
	for kid, k := range before.Keys {
		if after.Keys[kid].Thumbprint != k.Thumbprint || after.Keys[kid].Alg != k.Alg {
			return true
		}
	}
	return false
}

// within reports whether all of a are in b.
func within[T comparable](a, b []T) bool {
	return !slices.ContainsFunc(a, func(v T) bool { return !slices.Contains(b, v) })
}
