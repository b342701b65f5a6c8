package access

import (
	"regexp"
	"slices"
	"strings"
)

// A Scope is one SMART scope in normal form, or a scope of Concord's own administration.
type Scope struct {
	// Level is "system", "patient" or "concord".
	Level string
	// Resource is a FHIR resource type or "*"; for level concord the area ("audit").
	Resource string
	// Rights is a part of "cruds" in that order; for level concord the verb ("read").
	Rights string
}

func (s Scope) String() string { return s.Level + "/" + s.Resource + "." + s.Rights }

const allRights = "cruds"

var (
	resourceName = regexp.MustCompile(`^(\*|[A-Z][A-Za-z]{1,63})$`)
	ownName      = regexp.MustCompile(`^[a-z][a-z-]{0,31}$`)
)

// ParseScope reads "system/Patient.rs", its v1 forms ("read" = rs, "write" = cud, "*" = cruds) and
// "concord/audit.read". Scopes limited by search parameters, launch, identity and user scopes are not known here.
//
// Source: SMART App Launch 2.2, "Scopes for requesting FHIR resources".
func ParseScope(text string) (Scope, bool) {
	s, ok := parseScope(text)
	if !ok {
		return Scope{}, false
	}
	return s, true
}

func parseScope(text string) (Scope, bool) {
	level, rest, _ := strings.Cut(text, "/")
	name, rights, found := strings.Cut(rest, ".")
	if !found {
		return Scope{}, false
	}
	s := Scope{Level: level, Resource: name, Rights: rights}
	switch level {
	case "concord":
		return s, ownName.MatchString(name) && ownName.MatchString(rights)
	case "system", "patient":
	default:
		return Scope{}, false
	}
	switch rights {
	case "read":
		s.Rights = "rs"
	case "write":
		s.Rights = "cud"
	case "*":
		s.Rights = allRights
	}
	return s, resourceName.MatchString(name) && s.Rights == common(allRights, s.Rights) && s.Rights != ""
}

// common returns the rights in both a and b, in the order of a.
func common(a, b string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(b, r) {
			return r
		}
		return -1
	}, a)
}

// GrantScopes returns what of requested, a space-separated list, the registered scopes cover: sorted, each
// resource once, in normal form. A requested right that is not registered is left out, and so is a scope of a kind
// not known here. It reports false when nothing remains, when the list is malformed, and for a wildcard resource
// that is not registered as such: narrowing "everything" to something would hide the misunderstanding.
//
// Source: RFC 6749 section 3.3; spec federation 2.2 row 13.
func GrantScopes(requested string, registered []string) ([]string, bool) {
	granted := map[Scope]string{} // rights by level and resource
	for _, text := range strings.Split(requested, " ") {
		if text == "" || !scopeToken(text) {
			return nil, false
		}
		want, ok := ParseScope(text)
		if !ok {
			continue
		}
		rights, wildcard := "", false
		for _, r := range registered {
			have, readable := ParseScope(r)
			switch {
			case !readable || have.Level != want.Level:
			case have.Level == "concord":
				if have == want {
					rights = want.Rights
				}
			case have.Resource == want.Resource || have.Resource == "*":
				wildcard = wildcard || have.Resource == "*"
				rights += common(want.Rights, have.Rights)
			}
		}
		if want.Resource == "*" && !wildcard {
			return nil, false
		}
		if rights == "" {
			continue
		}
		key := Scope{Level: want.Level, Resource: want.Resource}
		if want.Level == "concord" {
			key.Rights = rights // each verb is a scope of its own
			granted[key] = rights
		} else {
			granted[key] = common(allRights, granted[key]+rights)
		}
	}
	out := make([]string, 0, len(granted))
	for s, rights := range granted {
		s.Rights = rights
		out = append(out, s.String())
	}
	slices.Sort(out)
	return out, len(out) > 0
}

// NormalScopes returns registered scopes in normal form, sorted, each once; unreadable ones unchanged, for Check.
func NormalScopes(scopes []string) []string {
	out := make([]string, 0, len(scopes))
	for _, text := range scopes {
		if s, ok := ParseScope(text); ok {
			text = s.String()
		}
		out = append(out, text)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// scopeToken reports whether s is a scope-token of RFC 6749 section 3.3.
func scopeToken(s string) bool {
	for i := range len(s) {
		if b := s[i]; b < 0x21 || b > 0x7e || b == '"' || b == '\\' {
			return false
		}
	}
	return true
}
