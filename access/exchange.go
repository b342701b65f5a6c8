package access

import (
	"strings"

	"github.com/concord-hie/concord/hie"
)

// ExchangeOID is the code system of exchange purposes of the United States' network of networks.
//
// Source: TEFCA Exchange Purposes SOP.
const ExchangeOID = "urn:oid:2.16.840.1.113883.3.7204.1.5.2.1"

// exchanges are its codes, each with the purpose of use it stands for.
var exchanges = map[string]hie.Purpose{
	"T-TRTMNT": "TREAT", "T-TREAT": "TREAT", "T-IAS": "PATRQT", "T-PYMNT": "HPAYMT",
	"T-HCO": "HOPERAT", "T-HCO-CC": "HOPERAT", "T-HCO-HED": "HOPERAT", "T-HCO-QM": "HOPERAT",
	"T-PH": "PUBHLTH", "T-PH-ECR": "PUBHLTH", "T-PH-ELR": "PUBHLTH", "T-GOVDTRM": "GOVDTRM", "T-GOVDTRM-SSD": "GOVDTRM",
}

// ExchangeOf reads a purpose of use that is a network's exchange code: a Coding, or "system#code". It returns the code
// and the purpose it stands for; stated says that c is of that system, whether or not the code is known.
//
// Source: spec consent 2.18 (d); spec federation 2.3, "Three dialects of one fact".
func ExchangeOf(c hie.Coding) (code string, p hie.Purpose, stated bool) {
	system, code := c.System, c.Code
	if before, after, found := strings.Cut(code, "#"); found && system == "" {
		system, code = before, after
	}
	if system != ExchangeOID && system != strings.TrimPrefix(ExchangeOID, "urn:oid:") {
		return "", "", false
	}
	return code, exchanges[code], true
}
