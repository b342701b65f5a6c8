package server

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/fhir"
	"github.com/gin-gonic/gin"
)

// searchControls is what a search says about its answer rather than about what is sought.
type searchControls struct {
	// count bounds the page, at least 1.
	count int
	// countOnly asks for the number alone (_summary=count, or _count=0).
	countOnly bool
	// cursor is the sealed place to go on from, "" for the first page.
	cursor string
	// strict asks to refuse unknown parameters.
	strict bool
}

// controls reads a search request: the parameters that say what is sought, in order, and those that say how to
// answer. A page holds count entries unless the caller asks for fewer or more, up to most.
func (s *Server) controls(c *gin.Context, count, most int) (sought []fhir.Param, ctl searchControls, err error) {
	ps, strict, err := s.params(c)
	if err != nil {
		return nil, ctl, err
	}
	ctl = searchControls{count: count, strict: strict}
	seen := map[string]bool{}
	for _, p := range ps {
		switch p.Name {
		case "_count", "_summary", "_cursor":
			if len(p.Values) != 1 || seen[p.Name] {
				return nil, ctl, &hie.InvalidError{Path: p.Name, Rule: "must be given once", Code: "value"}
			}
			seen[p.Name] = true
		}
		switch p.Name {
		case "_format", "_pretty": // settled before the handler
		case "_count":
			n, err := strconv.Atoi(p.Values[0])
			if err != nil || n < 0 {
				return nil, ctl, &hie.InvalidError{Path: "_count", Rule: "must be a whole number from 0", Code: "value"}
			}
			ctl.count, ctl.countOnly = max(1, min(n, most)), n == 0
		case "_summary":
			switch p.Values[0] {
			case "count":
				ctl.countOnly = true
			case "false":
			default:
				return nil, ctl, &hie.InvalidError{Path: "_summary", Rule: "must be count or false", Code: "not-supported"}
			}
		case "_cursor":
			ctl.cursor = p.Values[0]
		default:
			sought = append(sought, p)
		}
	}
	return sought, ctl, nil
}

// refuseUnknown returns an *hie.InvalidError for parameters nobody knows when the caller asked for strictness.
func (ctl searchControls) refuseUnknown(unknown []string) error {
	if !ctl.strict || len(unknown) == 0 {
		return nil
	}
	return &hie.InvalidError{Path: parameterName(unknown[0]), Rule: "is not a search parameter here", Code: "not-supported"}
}

// unknownIssues tells a lenient caller which parameters were left out of account.
func unknownIssues(unknown []string) []fhir.Issue {
	var out []fhir.Issue
	for _, name := range unknown {
		issue := fhir.Issue{Severity: "warning", Code: "not-supported", Diagnostics: "A parameter was ignored: it is not a search parameter here."}
		if n := parameterName(name); n != "" {
			issue.Expression = []string{n}
		}
		out = append(out, issue)
	}
	return out
}

// parameterName returns name if it looks like one; a caller may have sent anything in its place.
func parameterName(name string) string {
	if len(name) > 40 || strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_.") != "" {
		return ""
	}
	return name
}

// searchEntry is one match of a searchset.
func searchEntry(fullURL string, resource []byte) fhir.BundleEntry {
	return fhir.BundleEntry{FullURL: fullURL, Resource: resource, Search: &fhir.BundleSearch{Mode: "match"}}
}

// sendSearchset answers a search. self and next are URLs, next "" on the last page; total is nil when it was
// not counted. Issues become one outcome entry.
func (s *Server) sendSearchset(c *gin.Context, self, next string, total *int, entries []fhir.BundleEntry, issues []fhir.Issue) {
	if len(entries) == 0 && (total == nil || *total == 0) {
		s.even(c)
	}
	b := fhir.Bundle{ResourceType: "Bundle", Type: "searchset", Total: total, Entry: entries,
		Link: []fhir.BundleLink{{Relation: "self", URL: self}}}
	if next != "" {
		b.Link = append(b.Link, fhir.BundleLink{Relation: "next", URL: next})
	}
	if len(issues) > 0 {
		b.Entry = append(b.Entry, fhir.BundleEntry{Resource: fhir.Encode(outcome("warning", issues...)),
			Search: &fhir.BundleSearch{Mode: "outcome"}})
	}
	s.send(c, 200, b)
}

// pageOf returns the part of found, which is ordered by id, that follows the cursor, and the cursor of the next
// part or "". A cursor holds the last id seen and works for the search it came from only.
func pageOf[R any](s *Server, what string, ctl searchControls, found []R, id func(R) string) (part []R, next string, err error) {
	if ctl.cursor != "" {
		after, err := s.deps.Sealer.Open(what, ctl.cursor)
		if err != nil {
			return nil, "", errCursor
		}
		i, exact := slices.BinarySearchFunc(found, string(after), func(r R, sought string) int { return strings.Compare(id(r), sought) })
		if exact {
			i++
		}
		found = found[i:]
	}
	if len(found) <= ctl.count {
		return found, "", nil
	}
	found = found[:ctl.count]
	return found, s.deps.Sealer.Seal(what, []byte(id(found[len(found)-1]))), nil
}

var errCursor = &hie.InvalidError{Path: "_cursor", Rule: "does not continue this search; begin it again", Code: "value"}

// encodeParams writes ps as a query string. It is for parameters that name no patient.
func encodeParams(ps []fhir.Param) string {
	var parts []string
	for _, p := range ps {
		name := p.Name
		if p.Modifier != "" {
			name += ":" + p.Modifier
		}
		parts = append(parts, url.QueryEscape(name)+"="+url.QueryEscape(strings.Join(p.Values, ",")))
	}
	return strings.Join(parts, "&")
}

// isStrict reports whether the caller asks to refuse what is not understood (Prefer: handling=strict).
func isStrict(c *gin.Context) bool { return prefers(c, "handling=strict") }

// prefers reports whether a Prefer header holds preference.
//
// Source: RFC 7240; FHIR R4 http 3.1.0.1.7 and 3.1.0.7.
func prefers(c *gin.Context, preference string) bool {
	for _, v := range c.Request.Header.Values("Prefer") {
		if strings.Contains(strings.ReplaceAll(v, " ", ""), preference) {
			return true
		}
	}
	return false
}
