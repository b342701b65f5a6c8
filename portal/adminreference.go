package portal

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/concord-hie/concord/hie"
	"github.com/getkin/kin-openapi/openapi3"
)

// I2, the administration API: the node's own OpenAPI document, made readable.

// An apiReference is the OpenAPI document of the node, as pages show it.
type apiReference struct {
	Title, Summary, About string
	Areas                 []apiArea
}

// An apiArea is the operations of one tag, in the order of their paths.
type apiArea struct {
	Name, About string
	Operations  []apiOperation
}

// An apiOperation is one method of one path.
type apiOperation struct {
	ID, Method, Path, Summary, About string
	Open                             bool // needs no token
	Parameters                       []apiField
	Body                             []apiField
	Answers                          []apiAnswer
	Curl                             string
}

// An apiAnswer is one status an operation answers with.
type apiAnswer struct {
	Status, About string
	Fields        []apiField
}

// An apiField is one parameter or member. Depth is how far within the body it lies, from 0.
type apiField struct {
	Name, In, Type, About string
	Required              bool
	Depth                 int
}

// maxDepth bounds how far into a body its members are told: some schemas hold themselves.
const maxDepth = 4

// references keeps the last document that was read: it changes with the program alone.
type references struct {
	mu   sync.Mutex
	sum  [sha256.Size]byte
	read *apiReference
}

// of returns the document in raw; hie.ErrUnavailable when it cannot be read.
func (r *references) of(raw []byte) (*apiReference, error) {
	sum := sha256.Sum256(raw)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.read != nil && r.sum == sum {
		return r.read, nil
	}
	doc, err := openapi3.NewLoader().LoadFromData(raw) // resolves references within; others are not followed
	if err != nil {
		return nil, fmt.Errorf("portal: the API's description cannot be read: %w", hie.ErrUnavailable)
	}
	r.sum, r.read = sum, newReference(doc)
	return r.read, nil
}

func newReference(doc *openapi3.T) *apiReference {
	out := &apiReference{}
	if doc.Info != nil {
		out.Title, out.Summary, out.About = doc.Info.Title, doc.Info.Summary, doc.Info.Description
	}
	areas := map[string]int{}
	for _, t := range doc.Tags {
		areas[t.Name] = len(out.Areas)
		out.Areas = append(out.Areas, apiArea{Name: t.Name, About: t.Description})
	}
	for _, path := range slices.Sorted(slices.Values(doc.Paths.Keys())) {
		item := doc.Paths.Value(path)
		for method, op := range sortedOperations(item) {
			tag := "other"
			if len(op.Tags) > 0 {
				tag = op.Tags[0]
			}
			if _, known := areas[tag]; !known {
				areas[tag] = len(out.Areas)
				out.Areas = append(out.Areas, apiArea{Name: tag})
			}
			a := &out.Areas[areas[tag]]
			a.Operations = append(a.Operations, newOperation(path, method, item, op))
		}
	}
	out.Areas = slices.DeleteFunc(out.Areas, func(a apiArea) bool { return len(a.Operations) == 0 })
	return out
}

// sortedOperations yields the operations of a path: what reads before what changes.
func sortedOperations(item *openapi3.PathItem) func(func(string, *openapi3.Operation) bool) {
	order := []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete}
	return func(yield func(string, *openapi3.Operation) bool) {
		all := item.Operations()
		for _, method := range order {
			if op, there := all[method]; there && !yield(method, op) {
				return
			}
		}
	}
}

func newOperation(path, method string, item *openapi3.PathItem, op *openapi3.Operation) apiOperation {
	out := apiOperation{ID: op.OperationID, Method: method, Path: path, Summary: op.Summary, About: op.Description,
		Open: op.Security != nil && len(*op.Security) == 0}
	for _, p := range slices.Concat(item.Parameters, op.Parameters) {
		if p.Value != nil {
			out.Parameters = append(out.Parameters, apiField{Name: p.Value.Name, In: p.Value.In, Type: typeOf(p.Value.Schema), Required: p.Value.Required,
				About: cmp.Or(p.Value.Description, aboutOf(p.Value.Schema))})
		}
	}
	if op.RequestBody != nil && op.RequestBody.Value != nil {
		out.Body = contentFields(op.RequestBody.Value.Content)
	}
	if op.Responses != nil {
		for _, status := range slices.Sorted(slices.Values(op.Responses.Keys())) {
			r := op.Responses.Value(status)
			if r.Value == nil {
				continue
			}
			a := apiAnswer{Status: status}
			if r.Value.Description != nil {
				a.About = *r.Value.Description
			}
			if strings.HasPrefix(status, "2") {
				a.Fields = contentFields(r.Value.Content)
			}
			out.Answers = append(out.Answers, a)
		}
	}
	out.Curl = curlOf(out)
	return out
}

// contentFields are the members of the JSON in content, outer before inner.
func contentFields(content openapi3.Content) (out []apiField) {
	for _, kind := range slices.Sorted(func(yield func(string) bool) {
		for k := range content {
			if !yield(k) {
				return
			}
		}
	}) {
		if m := content[kind]; m != nil && strings.Contains(kind, "json") && m.Schema != nil {
			return fieldsOf(m.Schema, 0)
		}
	}
	return nil
}

func fieldsOf(s *openapi3.SchemaRef, depth int) (out []apiField) {
	if s == nil || s.Value == nil || depth > maxDepth {
		return nil
	}
	for _, part := range s.Value.AllOf {
		out = append(out, fieldsOf(part, depth)...)
	}
	names := make([]string, 0, len(s.Value.Properties))
	for name := range s.Value.Properties {
		names = append(names, name)
	}
	required := func(name string) bool { return slices.Contains(s.Value.Required, name) }
	slices.SortFunc(names, func(a, b string) int {
		if required(a) != required(b) {
			return map[bool]int{true: -1, false: 1}[required(a)]
		}
		return cmp.Compare(a, b)
	})
	for _, name := range names {
		p := s.Value.Properties[name]
		out = append(out, apiField{Name: name, Type: typeOf(p), About: aboutOf(p), Required: required(name), Depth: depth})
		out = append(out, fieldsOf(p, depth+1)...)
	}
	if s.Value.Items != nil {
		out = append(out, fieldsOf(s.Value.Items, depth)...)
	}
	return out
}

// aboutOf is the description of a schema, or of the one it repeats.
func aboutOf(s *openapi3.SchemaRef) string {
	if s == nil || s.Value == nil {
		return ""
	}
	for _, part := range s.Value.AllOf {
		if d := cmp.Or(s.Value.Description, aboutOf(part)); d != "" {
			return d
		}
	}
	return s.Value.Description
}

// typeOf says in a few words what a value is: "integer", "date-time", "list of Task", "same, different".
func typeOf(s *openapi3.SchemaRef) string {
	if s == nil || s.Value == nil {
		return ""
	}
	v := s.Value
	name := s.Ref[strings.LastIndexByte(s.Ref, '/')+1:]
	switch {
	case len(v.Enum) > 0:
		words := make([]string, len(v.Enum))
		for i, e := range v.Enum {
			words[i] = fmt.Sprint(e)
		}
		return strings.Join(words, " | ")
	case len(v.AllOf) == 1 && v.Type == nil:
		return typeOf(v.AllOf[0])
	case v.Items != nil:
		return "[" + typeOf(v.Items) + "]"
	case name != "":
		return name
	case v.Format != "":
		return v.Format
	case v.Type != nil:
		return strings.Join(slices.DeleteFunc(slices.Clone(v.Type.Slice()), func(t string) bool { return t == "null" }), " | ")
	}
	return ""
}

// curlOf is a call of the operation, with $B for the node, $T for a token and names in braces for what the caller fills in.
func curlOf(op apiOperation) string {
	out := "curl -s "
	if op.Method != http.MethodGet {
		out += "-X " + op.Method + " "
	}
	out += `"$B` + op.Path + `"`
	if !op.Open {
		out += ` -H "Authorization: Bearer $T"`
	}
	var members []string
	for _, f := range op.Body {
		if f.Required && f.Depth == 0 {
			members = append(members, fmt.Sprintf("%q: …", f.Name))
		}
	}
	if op.Method == http.MethodPost {
		out += " \\\n  --json '{" + strings.Join(members, ", ") + "}'"
	}
	return out
}

// describedAPI reads the node's OpenAPI document.
func (v *visit) describedAPI() (*apiReference, error) {
	a, err := v.call(http.MethodGet, "/admin/openapi.yaml", nil)
	if err != nil {
		return nil, err
	}
	return v.references.of(a.body)
}

// adminReference answers GET /integrator/api.
func (v *visit) adminReference() error {
	r, err := v.describedAPI()
	if err != nil {
		return err
	}
	v.show(http.StatusOK, "integrator/api", r)
	return nil
}

// operation answers GET /integrator/api/:operation.
func (v *visit) operation() error {
	r, err := v.describedAPI()
	if err != nil {
		return err
	}
	for _, a := range r.Areas {
		for _, op := range a.Operations {
			if op.ID == v.c.Param("operation") {
				v.show(http.StatusOK, "integrator/operation", map[string]any{"Area": a.Name, "Operation": op})
				return nil
			}
		}
	}
	return hie.ErrNotFound
}
