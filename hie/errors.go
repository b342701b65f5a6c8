package hie

import "errors"

// The kinds of failure a caller can act on. Wrap them with package and operation; test with errors.Is.
// The table from kind to HTTP status is in server/outcome.go.
var (
	// ErrNotFound means there is no such thing, or the caller must not learn that there is.
	ErrNotFound = errors.New("not found")
	// ErrConflict means the request contradicts what is stored: a duplicate with other content, a stale version.
	ErrConflict = errors.New("conflict")
	// ErrStale means If-Match named a version that is not the current one.
	ErrStale = errors.New("stale version")
	// ErrForbidden means the caller is known and must not do this.
	ErrForbidden = errors.New("forbidden")
	// ErrUnauthenticated means the caller could not be established.
	ErrUnauthenticated = errors.New("unauthenticated")
	// ErrUnavailable means something needed did not answer; trying again later may succeed.
	ErrUnavailable = errors.New("unavailable")
	// ErrTooLarge means a body, a bundle or a page exceeds its bound.
	ErrTooLarge = errors.New("too large")
	// ErrGone means the thing existed and was deleted, and the caller may know that.
	ErrGone = errors.New("gone")
)

// An InvalidError says which part of the input breaks which rule. It never quotes the input's values.
type InvalidError struct {
	// Path locates the fault, as a FHIRPath expression ("DocumentReference.content[0].attachment.url"),
	// an HL7 v2 location ("PID-7"), a parameter name or a file's "line 12". Never a value.
	Path string
	// Rule says in plain words what is required. Never a value.
	Rule string
	// Code is a FHIR IssueType ("invalid", "required", "value", "code-invalid", "not-supported", "too-long",
	// "duplicate", "business-rule"); "" means "invalid".
	Code string
	// Detail is a coded detail of a transaction's own error vocabulary (an ITI TF-3 4.2.4 error code such as
	// "XDSUnknownPatientId"), or "".
	Detail string
}

func (e *InvalidError) Error() string {
	if e.Path == "" {
		return "invalid input: " + e.Rule
	}
	return "invalid input at " + e.Path + ": " + e.Rule
}

// Invalid returns an *InvalidError with Code "invalid".
func Invalid(path, rule string) *InvalidError { return &InvalidError{Path: path, Rule: rule} }

// Required returns an *InvalidError for a missing element.
func Required(path string) *InvalidError {
	return &InvalidError{Path: path, Rule: "is required", Code: "required"}
}
