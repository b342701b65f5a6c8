package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/concord-hie/concord/access"
	"github.com/concord-hie/concord/directory"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/sim"
	"github.com/concord-hie/concord/internal/token"
)

// The organisation that runs the demo's exchange: its stewards, privacy officers and the patients' app.
const (
	exchangeOrg = "bay-exchange"
	exchangeURI = "https://bay-exchange.example.org"
)

// demoDirectory returns the directory of a simulated exchange: the exchange, and an organisation, a site and an
// endpoint for each of the sites, whose server is at bases[site].
//
// Defaults: the exchange shares for treatment and the patient's own request (an opt-out region); the Part 2
// program shares nothing without a consent. Source: spec consent 2.9; 42 CFR 2.31.
func demoDirectory(sites []sim.Site, bases map[string]string) directory.File {
	f := directory.File{
		Organizations: []directory.Organization{{ID: exchangeOrg, Name: "Bay Health Exchange", Identifier: exchangeURI, Kind: "network",
			Jurisdiction: "US-MD", Active: true}},
		Defaults: []directory.Default{
			{Network: true, PurposeClass: "*", Category: "*", Rule: "deny"},
			{Network: true, PurposeClass: "TREAT", Category: "*", Rule: "permit"},
			{Network: true, PurposeClass: "PATRQT", Category: "*", Rule: "permit"},
		},
	}
	for _, s := range sites {
		f.Organizations = append(f.Organizations, directory.Organization{ID: hie.OrgID(s.Org), Name: s.OrgName, Identifier: s.OrgURI,
			Kind: s.Kind, Jurisdiction: s.Jurisdiction, Active: true})
		f.Sites = append(f.Sites, directory.Site{ID: hie.SiteID(s.ID), Org: hie.OrgID(s.Org), Name: s.Name, Authorities: []string{s.Authority}, Phone: s.Phone,
			Zone: s.Zone, Jurisdiction: s.Jurisdiction, Regimes: s.Regimes, Labelled: s.Labelled, PrivilegedRoles: s.PrivilegedRoles,
			Publishes: s.Publishes, Active: true, Membership: directory.Live, Endpoints: []directory.Endpoint{{ID: s.ID + "-fhir", Protocol: "fhir-r4", Address: bases[s.ID]}}})
		if s.Default != "" {
			f.Defaults = append(f.Defaults, directory.Default{Site: hie.SiteID(s.ID), PurposeClass: "TREAT", Category: "*", Rule: s.Default})
		}
	}
	return f
}

// A demoClient is one client of the demo with what demo.json tells of it.
type demoClient struct {
	access.Client
	role    string // what it is for, in demo.json
	keyFile string
	api     *apiClient
}

// What each kind of client may do.
var (
	feedScopes = []string{"system/Patient.cruds", "system/DocumentReference.cruds", "system/List.cruds", "system/Binary.cr",
		"system/Consent.cruds", "system/AuditEvent.c", "concord/copy.read"}
	emrScopes     = []string{"system/Patient.rs", "system/DocumentReference.rs", "system/List.rs", "system/Binary.r", "system/Organization.rs", "system/Endpoint.rs"}
	patientScopes = []string{"patient/Patient.rs", "patient/DocumentReference.rs", "patient/Binary.r", "patient/Consent.cruds", "patient/AuditEvent.rs",
		"concord/report.read", "concord/report.write"}
	emrPurposes = []hie.Purpose{"TREAT", "ETREAT", "BTG", "HPAYMT", "HOPERAT"}
)

// demoClients returns the clients of the demo without keys: a feed and an EMR for each of sites, the patients' app,
// a steward's, a privacy officer's, an auditor's and an operator's desk.
func demoClients(sites []sim.Site) []demoClient {
	var out []demoClient
	add := func(id, name, org, role string, scopes []string, purposes []hie.Purpose, roles ...string) {
		out = append(out, demoClient{role: role, Client: access.Client{ID: hie.ClientID(id), Name: name, Organization: hie.OrgID(org),
			Status: access.Active, Scopes: access.NormalScopes(scopes), Purposes: purposes, Roles: roles}})
	}
	for _, s := range sites {
		add(s.ID+"-feed", s.Name+" (feed)", s.Org, "feed", feedScopes, []hie.Purpose{"HOPERAT"})
		add(s.ID+"-emr", s.Name+" (EMR)", s.Org, "practice", emrScopes, emrPurposes, "physician", "nurse", "ed")
	}
	add("patient-app", "Patients' app", exchangeOrg, "patient", patientScopes, []hie.Purpose{hie.PurposePatientRequest})
	out[len(out)-1].PatientAccess = true
	add("steward-desk", "Steward's desk", exchangeOrg, "steward", []string{"system/Patient.rs", "concord/match.read", "concord/match.write"},
		[]hie.Purpose{"PATADMIN"}, hie.RoleSteward)
	add("privacy-desk", "Privacy officer's desk", exchangeOrg, "privacy-officer", []string{"system/AuditEvent.rs", "system/Consent.cruds",
		"concord/review.read", "concord/review.write", "concord/audit.read", "concord/consent.read", "concord/consent.write",
		"concord/report.read", "concord/report.write", "concord/policy.read", "concord/policy.write"}, []hie.Purpose{"HCOMPL"}, hie.RolePrivacyOfficer)
	add("auditor-desk", "Auditor's desk", exchangeOrg, "auditor", []string{"system/AuditEvent.rs", "concord/audit.read"}, []hie.Purpose{"HCOMPL"}, hie.RoleAuditor)
	add("operator-desk", "Operator's desk", exchangeOrg, "operator", []string{"system/Organization.rs", "system/Endpoint.rs", "concord/site.read", "concord/site.write"},
		[]hie.Purpose{"HSYSADMIN"}, hie.RoleOperator)
	return out
}

// readOrMakeKey returns the client key in file, made when missing.
func readOrMakeKey(file string) (*token.Signer, error) {
	raw, err := os.ReadFile(file)
	if err == nil {
		return token.ReadSigner(raw)
	}
	if !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("demo: the key file %s cannot be read", file)
	}
	signer, err := token.Generate(token.ES384)
	if err != nil {
		return nil, err
	}
	private, err := signer.MarshalPrivate()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return nil, fmt.Errorf("demo: %w", err)
	}
	return signer, writeNew(file, append(private, '\n'))
}
