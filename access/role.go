package access

import (
	"regexp"
	"strings"

	"github.com/concord-hie/concord/hie"
)

// RoleSystem is the system of plain role codes ("physician", "steward") where a Coding is asked for.
const RoleSystem = "urn:concord:role"

var (
	roleCode   = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)
	roleSystem = regexp.MustCompile(`^[a-z][a-z0-9+.-]{1,20}:[!-"$-~]{1,200}$`)
)

// ParseRole reads a role as it stands in a registration or an hl7-b2b string: a plain code, or "system#code" such as
// "urn:oid:2.16.840.1.113883.6.101#207Q00000X".
func ParseRole(s string) (hie.Coding, bool) {
	if system, code, found := strings.Cut(s, "#"); found {
		return hie.Coding{System: system, Code: code}, roleSystem.MatchString(system) && roleCode.MatchString(code)
	}
	return hie.Coding{Code: s}, roleCode.MatchString(s)
}

// RoleOf returns the one way a role is written: its code alone for plain roles, "system#code" for others. It is what
// registrations list and what hie.Actor carries, so a code of somebody else's system is never taken for one of ours.
func RoleOf(c hie.Coding) (string, bool) {
	if c.System == "" {
		c, ok := ParseRole(c.Code)
		if !ok || c.System == "" {
			return c.Code, ok
		}
		return RoleOf(c)
	}
	if !roleSystem.MatchString(c.System) || !roleCode.MatchString(c.Code) {
		return "", false
	}
	if c.System == RoleSystem {
		return c.Code, true
	}
	return c.System + "#" + c.Code, true
}
