package server

import (
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"strings"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/fhir"
	"github.com/gin-gonic/gin"
)

const fhirJSON = "application/fhir+json; charset=utf-8"

// fail answers with err's OperationOutcome or problem. A fault of ours is logged with its request id; its text is not sent.
func (s *Server) fail(c *gin.Context, err error) {
	status, oo := outcomeOf(err)
	c.Set(failureKey, err)
	if status >= 500 {
		s.log.ErrorContext(c.Request.Context(), "request failed", "request", requestID(c), "kind", errorKind(err), "status", status)
	}
	switch status {
	case http.StatusNotFound:
		s.even(c)
	case http.StatusUnauthorized:
		c.Header("WWW-Authenticate", `Bearer realm="concord"`)
	case http.StatusServiceUnavailable:
		c.Header("Retry-After", "2")
	}
	s.refuse(c, status, oo)
}

// refuse ends a request with an error: an OperationOutcome under /fhir, a problem elsewhere.
func (s *Server) refuse(c *gin.Context, status int, oo fhir.OperationOutcome) {
	if path := c.Request.URL.Path; path != "/fhir" && !strings.HasPrefix(path, "/fhir/") {
		s.sendProblem(c, status, oo)
		return
	}
	s.send(c, status, oo)
	c.Abort()
}

// send answers with a resource: a struct of package fhir or bytes of JSON.
func (s *Server) send(c *gin.Context, status int, resource any) {
	body, isBytes := resource.([]byte)
	if !isBytes {
		body = fhir.Encode(resource)
	}
	c.Header("Cache-Control", "no-store")
	c.Data(status, fhirJSON, body)
}

// sendVersion answers with a resource that has versions: ETag as FHIR weak tags, and Location on creation.
func (s *Server) sendVersion(c *gin.Context, status int, body []byte, location, version string) {
	c.Header("ETag", `W/"`+version+`"`)
	if location != "" {
		c.Header("Location", location)
	}
	s.send(c, status, body)
}

// body reads a JSON request body whole, within the limit. Errors: hie.ErrTooLarge, *hie.InvalidError.
func (s *Server) body(c *gin.Context) ([]byte, error) {
	if t := c.GetHeader("Content-Type"); t != "" {
		media, _, err := mime.ParseMediaType(t)
		if err != nil || (media != "application/fhir+json" && media != "application/json") {
			return nil, errMediaType
		}
	}
	if coding := c.GetHeader("Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
		return nil, errContentCoding
	}
	b, err := io.ReadAll(http.MaxBytesReader(c.Writer, c.Request.Body, s.cfg.MaxBody))
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return nil, hie.ErrTooLarge
	}
	if err != nil {
		return nil, hie.Invalid("", "the request body could not be read to its end")
	}
	return b, nil
}

// What a body may be. Anything else is 415.
var (
	errMediaType = &hie.InvalidError{Path: "Content-Type", Rule: "must be application/fhir+json or application/json", Code: "not-supported"}
	// A body is never decoded, so that none grows beyond its limit.
	errContentCoding = &hie.InvalidError{Path: "Content-Encoding", Rule: "must not be used", Code: "not-supported"}

	errFormType = &hie.InvalidError{Path: "Content-Type", Rule: "must be application/x-www-form-urlencoded for a search", Code: "not-supported"}
)

// params returns the search parameters of a GET's query or of a form POST's query and body, in that order, and
// whether unknown ones are to be refused (Prefer: handling=strict) rather than ignored and reported.
func (s *Server) params(c *gin.Context) (ps []fhir.Param, strict bool, err error) {
	ps, err = fhir.ParseParams(c.Request.URL.RawQuery)
	if err != nil {
		return nil, false, err
	}
	if c.Request.Method == http.MethodPost {
		media, _, err := mime.ParseMediaType(c.GetHeader("Content-Type"))
		if err != nil || media != "application/x-www-form-urlencoded" {
			return nil, false, errFormType
		}
		b, err := io.ReadAll(http.MaxBytesReader(c.Writer, c.Request.Body, 64<<10))
		if err != nil {
			return nil, false, hie.ErrTooLarge
		}
		form, err := fhir.ParseParams(string(b))
		if err != nil {
			return nil, false, err
		}
		ps = append(ps, form...)
	}
	for _, v := range c.Request.Header.Values("Prefer") {
		if strings.Contains(strings.ReplaceAll(v, " ", ""), "handling=strict") {
			strict = true
		}
	}
	return ps, strict, nil
}

// rawParams returns what a search asked, as sent, for the audit trail.
func rawParams(ps []fhir.Param) string {
	var b strings.Builder
	for i, p := range ps {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(p.Name)
		if p.Modifier != "" {
			b.WriteString(":" + p.Modifier)
		}
		b.WriteString("=" + strings.Join(p.Values, ","))
	}
	return b.String()
}

// negotiate refuses what cannot be answered in JSON.
func (s *Server) negotiate(c *gin.Context) {
	want := c.Query("_format")
	if want == "" {
		want = c.GetHeader("Accept")
	}
	if want == "" || strings.Contains(want, "json") || strings.Contains(want, "*/*") || strings.Contains(want, "application/*") {
		return
	}
	s.send(c, http.StatusNotAcceptable, outcome("error", fhir.Issue{Code: "not-supported",
		Diagnostics: "Answers are application/fhir+json; XML is not served until it is complete."}))
	c.Abort()
}

// errorKind names what an error is, for the log: its kind or its Go type, never its text.
func errorKind(err error) slog.Value {
	for _, k := range kinds {
		if errors.Is(err, k.kind) {
			return slog.StringValue(k.kind.Error())
		}
	}
	return slog.StringValue(err.Error()) // our own wrapping; internal/pg has already dropped what quotes rows
}
