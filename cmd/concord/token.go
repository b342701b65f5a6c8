package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/concord-hie/concord/internal/token"
)

// tokenCmd gets an access token as a client would.
type tokenCmd struct {
	Client   string   `required:"" help:"Client id, as registered." placeholder:"ID"`
	Key      string   `required:"" help:"The client's private key: JWK or PEM." placeholder:"FILE"`
	Purpose  []string `required:"" help:"Purpose of use, a code of HL7 v3 ActReason such as TREAT, or system#code; several with commas." placeholder:"CODE"`
	Org      string   `help:"URI of the organisation the client acts for; default: what demo.json beside or above the key file says." placeholder:"URI"`
	User     string   `help:"Id of the person who acts, as the organisation names them." placeholder:"ID"`
	UserName string   `help:"That person's name; default: the id." placeholder:"NAME"`
	Role     string   `help:"Role in which that person acts, such as physician." placeholder:"ROLE"`
	Patient  string   `help:"FHIR id of the patient who acts on their own record, for a client registered with patient_access." placeholder:"ID"`
	ActsFor  string   `name:"representative" help:"Who acts in that patient's name, as recorded (RelatedPerson/x)." placeholder:"REF"`
	Scope    string   `help:"Scopes to ask for, separated by spaces; default: everything the client may do on records." placeholder:"SCOPES"`
	URL      string   `help:"The node: its origin, or its token endpoint; default: what demo.json says, else http://127.0.0.1:8440." placeholder:"URL"`
	JSON     bool     `name:"json" help:"Print the whole answer, not the token alone."`
	Decode   bool     `help:"Print what the token says instead of the token."`
}

// Help implements kong.HelpProvider.
func (tokenCmd) Help() string {
	return `Builds and signs a client assertion (private_key_jwt) with its hl7-b2b extension, posts it and prints the access token.

Examples:
  concord token --client elm-emr --key demo/keys/elm-emr.jwk --purpose TREAT --user dr-lee --role physician
  curl -H "Authorization: Bearer $(concord token --client ID --key FILE --purpose TREAT)" http://127.0.0.1:8440/fhir/metadata`
}

// Validate implements kong's check of flags that go together.
func (t *tokenCmd) Validate() error {
	switch {
	case t.Patient != "" && (t.User != "" || t.Role != ""):
		return errors.New("--patient says who acts: leave out --user and --role")
	case t.ActsFor != "" && t.Patient == "":
		return errors.New("--representative needs --patient")
	case (t.User == "") != (t.Role == ""):
		return errors.New("--user and --role go together")
	case t.UserName != "" && t.User == "" && t.Patient == "":
		return errors.New("--user-name needs --user")
	case t.JSON && t.Decode:
		return errors.New("--json and --decode exclude each other")
	}
	return nil
}

// allScopes asks for everything on every resource Concord serves; the node grants what is registered of it.
var allScopes = func() string {
	var out []string
	for _, level := range []string{"system", "patient"} {
		for _, r := range []string{"AuditEvent", "Binary", "Consent", "DocumentReference", "Endpoint", "List", "Organization", "Patient"} {
			out = append(out, level+"/"+r+".cruds")
		}
	}
	return strings.Join(out, " ")
}()

// Run prints the token on stdout.
func (t *tokenCmd) Run(ctx context.Context, s *streams) error {
	raw, err := os.ReadFile(t.Key)
	if err != nil {
		return fmt.Errorf("token: the key file %s cannot be read", t.Key)
	}
	signer, err := token.ReadSigner(raw)
	if err != nil {
		return fmt.Errorf("token: %s: %w", t.Key, err)
	}
	t.fillFromDemo()
	if t.Org == "" {
		return fmt.Errorf("token: --org is needed: the URI by which the directory knows the client's organisation")
	}
	answer, err := t.ask(ctx, signer)
	if err != nil {
		return err
	}
	var granted struct {
		Token string `json:"access_token"`
	}
	if err := json.Unmarshal(answer, &granted); err != nil || granted.Token == "" {
		return fmt.Errorf("token: the node's answer holds no token")
	}
	switch {
	case t.JSON:
		_, err = fmt.Fprintln(s.out, string(answer))
	case t.Decode:
		c, fault := token.Parse(granted.Token)
		if fault != nil {
			return fmt.Errorf("token: the node's token cannot be read")
		}
		_, err = fmt.Fprintln(s.out, string(c.Payload))
	default:
		_, err = fmt.Fprintln(s.out, granted.Token)
	}
	return err
}

// fillFromDemo takes what was not given from the demo.json beside or above the key file, if there is one.
func (t *tokenCmd) fillFromDemo() {
	dir, err := filepath.Abs(filepath.Dir(t.Key))
	for range 3 {
		if err != nil {
			return
		}
		raw, missing := os.ReadFile(filepath.Join(dir, "demo.json"))
		if missing != nil {
			dir = filepath.Dir(dir)
			continue
		}
		var d demoJSON
		if json.Unmarshal(raw, &d) != nil {
			return
		}
		if t.URL == "" {
			t.URL = d.TokenURL
		}
		for _, c := range d.Clients {
			if c.ClientID != t.Client {
				continue
			}
			if t.Org == "" {
				t.Org = c.Organization
			}
			if t.Scope == "" {
				t.Scope = strings.Join(c.Scopes, " ")
			}
		}
		return
	}
}

// ask posts an assertion and returns the answer of a success.
func (t *tokenCmd) ask(ctx context.Context, signer *token.Signer) ([]byte, error) {
	base := t.URL
	if base == "" {
		base = "http://127.0.0.1:8440"
	}
	base = strings.TrimSuffix(strings.TrimSuffix(base, "/"), "/oauth/token")
	endpoint := base + "/oauth/token"
	who := asker{purposes: strings.Join(t.Purpose, " "), user: t.User, name: t.UserName, role: t.Role, representative: t.ActsFor, scopes: t.Scope}
	if t.Patient != "" {
		who.user = "Patient/" + strings.TrimPrefix(t.Patient, "Patient/")
	} else if who.name == "" {
		who.name = t.User
	}
	if who.scopes == "" {
		who.scopes = allScopes
	}
	c := newAPIClient(base, t.Client, t.Org, signer)
	c.http.Timeout = 30 * time.Second
	c.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse } // an assertion is for one server
	signed, err := c.assertion(endpoint, who, time.Now())
	if err != nil {
		return nil, fmt.Errorf("token: %w", err)
	}
	form := url.Values{"grant_type": {"client_credentials"}, "scope": {who.scopes}, "client_assertion": {signed},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}}
	r, err := c.send(ctx, http.MethodPost, endpoint, "", "application/x-www-form-urlencoded", []byte(form.Encode()), nil)
	if err != nil {
		return nil, fmt.Errorf("token: %w", err)
	}
	if r.status != http.StatusOK {
		var refusal struct {
			Error       string `json:"error"`
			Description string `json:"error_description"`
		}
		if json.Unmarshal(r.body, &refusal) != nil || refusal.Error == "" {
			return nil, fmt.Errorf("token: %s answered with status %d", endpoint, r.status)
		}
		return nil, fmt.Errorf("token: refused: %s: %s (the node's audit trail says why, under request %s)",
			refusal.Error, refusal.Description, r.header.Get("X-Request-Id"))
	}
	return r.body, nil
}
