package locator

import (
	"bytes"
	"encoding/hex"
	"strconv"
)

// Same returns the two keys by which p is recognised as the document another place holds as well: custodian with
// unique id, and content with its length. Each is "" when it is not known.
//
// Source: spec locator section 6 ("Dedup group", strong).
func (p Pointer) Same() (uid, content string) {
	if id := p.MasterIdentifier; id.Value != "" {
		uid = "uid " + strconv.Quote(string(p.Custodian)) + strconv.Quote(id.System) + strconv.Quote(id.Value)
	}
	if p.Size > 0 && len(p.Hash) > 0 && !bytes.Equal(p.Hash, emptyHash) {
		content = "content " + strconv.FormatInt(p.Size, 10) + " " + hex.EncodeToString(p.Hash)
	}
	return uid, content
}
