package access

import (
	"strings"

	"github.com/concord-hie/concord/hie"
)

// The code system of purposes of use, as its OID is written in b2b strings and as FHIR names it.
const (
	ActReasonOID = "urn:oid:2.16.840.1.113883.5.8"
	ActReasonURI = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
)

// purposes holds the codes a requester may state: the value set PurposeOfUse of HL7 v3 ActReason with its
// displays, abstract codes left out.
//
// Source: HL7 v3 value set PurposeOfUse (2.16.840.1.113883.1.11.20448); spec consent-cases, "Purposes".
var purposes = map[hie.Purpose]string{
	"TREAT": "treatment", "CLINTRL": "clinical trial", "COC": "coordination of care", "CAREMGT": "care management",
	"POPHLTH": "population health", "ETREAT": "Emergency Treatment", "BTG": "break the glass", "ERTREAT": "emergency room treatment",
	"HPAYMT": "healthcare payment", "CLMATTCH": "claim attachment", "COVAUTH": "coverage authorization",
	"COVERAGE": "coverage under policy or program", "ELIGDTRM": "eligibility determination", "ELIGVER": "eligibility verification",
	"ENROLLM": "enrollment", "MILDCRG": "military discharge", "REMITADV": "remittance advice", "PMTDS": "payment dispute",
	"HOPERAT": "healthcare operations", "DONAT": "donation", "FRAUD": "fraud", "GOV": "government", "GOVDTRM": "government determination",
	"HACCRED": "health accreditation", "HCOMPL": "health compliance", "HDECD": "decedent", "HDIRECT": "directory",
	"HDM": "healthcare delivery management", "HLEGAL": "legal", "HOUTCOMS": "health outcome measure",
	"HPRGRP": "health program reporting", "HQUALIMP": "health quality improvement", "HSYSADMIN": "health system administration",
	"HTEST": "test health data", "LABELING": "labeling", "METAMGT": "metadata management", "MEMADMIN": "member administration",
	"MILCDM": "military command", "PATADMIN": "patient administration", "PATSFTY": "patient safety", "PERFMSR": "performance measure",
	"RECORDMGT": "records management", "SYSDEV": "system development", "TRAIN": "training",
	"HRESCH": "healthcare research", "BIORCH": "biomedical research", "CLINTRCH": "clinical trial research",
	"CLINTRCHNPC": "clinical trial research without patient care", "CLINTRCHPC": "clinical trial research with patient care",
	"PRECLINTRCH": "preclinical trial research", "DSRCH": "disease specific healthcare research",
	"POARCH": "population origins or ancestry healthcare research", "TRANSRCH": "translational healthcare research",
	"PATRQT": "patient requested", "FAMRQT": "family requested", "PWATRNY": "power of attorney", "SUPNWK": "support network",
	"PUBHLTH": "public health", "DISASTER": "disaster", "THREAT": "threat", "HMARKT": "healthcare marketing",
}

// PurposeOf normalises a purpose of use: a plain code, "urn:oid:2.16.840.1.113883.5.8#TREAT", the same with FHIR's
// name of the system, or a Coding. It reports false for any code or system it does not know; nothing is ever
// assumed in place of one.
//
// Source: spec federation 2.3, "Three dialects of one fact".
func PurposeOf(c hie.Coding) (hie.Purpose, bool) {
	system, code := c.System, c.Code
	if before, after, found := strings.Cut(code, "#"); found && system == "" {
		system, code = before, after
	}
	switch system {
	case "", ActReasonOID, strings.TrimPrefix(ActReasonOID, "urn:oid:"), ActReasonURI:
	default:
		return "", false
	}
	p := hie.Purpose(code)
	_, known := purposes[p]
	return p, known
}

// PurposeDisplay returns the words for p, or "".
func PurposeDisplay(p hie.Purpose) string { return purposes[p] }
