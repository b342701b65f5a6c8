package server

import (
	"context"
	"errors"
	"net/http"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/fhir"
)

// kinds is the one table from kind of error to status and OperationOutcome. The first row that matches counts.
// The client sees the row's text, never the error's.
var kinds = []struct {
	kind   error
	status int
	code   string // FHIR IssueType
	text   string
}{
	{hie.ErrUnauthenticated, http.StatusUnauthorized, "login", "The access token is missing, expired or not acceptable."},
	{hie.ErrForbidden, http.StatusForbidden, "forbidden", "The token does not allow this interaction."},
	{hie.ErrNotFound, http.StatusNotFound, "not-found", "There is nothing here, or nothing that may be shown."},
	{hie.ErrGone, http.StatusGone, "deleted", "This was deleted."},
	{hie.ErrStale, http.StatusPreconditionFailed, "conflict", "If-Match does not name the current version. Read the resource again and repeat the change."},
	{hie.ErrConflict, http.StatusConflict, "conflict", "This contradicts what is stored."},
	{hie.ErrTooLarge, http.StatusRequestEntityTooLarge, "too-long", "The request exceeds the size allowed here."},
	{context.DeadlineExceeded, http.StatusServiceUnavailable, "timeout", "The answer took too long. Try again."},
	{hie.ErrUnavailable, http.StatusServiceUnavailable, "transient", "A part of the service does not answer. Try again shortly."},
}

// outcomeOf returns the status and OperationOutcome err deserves. An error of no known kind is a fault of
// ours: 500, and nothing about it.
func outcomeOf(err error) (int, fhir.OperationOutcome) {
	var inv *hie.InvalidError
	if errors.As(err, &inv) {
		status := http.StatusBadRequest
		switch {
		case errors.Is(err, hie.ErrConflict):
			status = http.StatusConflict
		case errors.Is(err, hie.ErrGone):
			status = http.StatusGone
		case errors.Is(err, errMediaType) || errors.Is(err, errFormType) || errors.Is(err, errContentCoding):
			status = http.StatusUnsupportedMediaType
		}
		return status, outcome("error", invalidIssue(inv))
	}
	for _, k := range kinds {
		if errors.Is(err, k.kind) {
			return k.status, outcome("error", fhir.Issue{Code: k.code, Diagnostics: k.text})
		}
	}
	return http.StatusInternalServerError, outcome("fatal", fhir.Issue{Code: "exception", Diagnostics: "Something went wrong here. It has been logged under this request's id."})
}

func invalidIssue(inv *hie.InvalidError) fhir.Issue {
	issue := fhir.Issue{Code: inv.Code, Diagnostics: inv.Error()}
	if issue.Code == "" {
		issue.Code = "invalid"
	}
	if inv.Path != "" {
		issue.Expression = []string{inv.Path}
	}
	if inv.Detail != "" {
		issue.Details = &fhir.CodeableConcept{Coding: []fhir.Coding{{System: "https://profiles.ihe.net/ITI/CodeSystem/ErrorCodes", Code: inv.Detail}}, Text: inv.Detail}
	}
	return issue
}

func outcome(severity string, issues ...fhir.Issue) fhir.OperationOutcome {
	for i := range issues {
		if issues[i].Severity == "" {
			issues[i].Severity = severity
		}
	}
	return fhir.OperationOutcome{ResourceType: "OperationOutcome", Issue: issues}
}
