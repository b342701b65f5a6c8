package consentjson

import (
	"crypto/ed25519"
	"embed"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/concord-hie/concord/consent"
)

//go:embed packs
var files embed.FS

// A Builtin is a pack that comes with the program.
type Builtin struct {
	Pack      consent.Pack
	Content   []byte
	Signature string
	// Standing says that it is in force unless an exchange says otherwise: what every exchange in the United States is
	// under, and the rules of the network itself. The others wait to be drafted from.
	Standing bool
}

// standing are the packs in force from the start.
var standing = []string{"concord-network", "us-hipaa", "us-part2"}

var builtins = sync.OnceValues(readBuiltins)

// Builtins returns the packs that come with the program, by id. The error is for a program that was built wrong: a pack
// that cannot be read, or whose signature is not of a key of the publisher.
func Builtins() ([]Builtin, error) { return builtins() }

// PublisherKeys are the keys that sign the packs that come with the program, the newest first. Those that sign nothing new stay,
// or versions kept from before would not be trusted any more.
func PublisherKeys() ([]ed25519.PublicKey, error) {
	raw, err := files.ReadFile("packs/publisher.pem")
	if err != nil {
		return nil, err
	}
	return ReadPublicKeys(raw)
}

func readBuiltins() ([]Builtin, error) {
	keys, err := PublisherKeys()
	if err != nil {
		return nil, err
	}
	names, err := fs.Glob(files, "packs/*.json")
	if err != nil {
		return nil, err
	}
	var out []Builtin
	for _, name := range names {
		content, err := files.ReadFile(name)
		if err != nil {
			return nil, err
		}
		signature, err := files.ReadFile(name + ".sig")
		if err == nil {
			err = Verify(content, string(signature), keys)
		}
		if err != nil {
			return nil, fmt.Errorf("consentjson: %s: %w", name, err)
		}
		p, err := ReadPack(content)
		if err == nil {
			err = p.Validate()
		}
		if err != nil {
			return nil, fmt.Errorf("consentjson: %s: %w", name, err)
		}
		out = append(out, Builtin{Pack: p, Content: content, Signature: strings.TrimSpace(string(signature)), Standing: slices.Contains(standing, p.ID)})
	}
	return out, nil
}

// Standing returns the packs in force where an exchange has not said otherwise.
func Standing() ([]consent.PackVersion, error) {
	all, err := Builtins()
	if err != nil {
		return nil, err
	}
	var out []consent.PackVersion
	for _, b := range all {
		if b.Standing {
			out = append(out, consent.PackVersion{Pack: b.Pack})
		}
	}
	return out, nil
}

// Options is what an exchange that has changed nothing adds to its directory: the packs in force from the start, as
// they stand at now.
func Options(now time.Time) (consent.Options, error) {
	packs, err := Standing()
	return consent.Options{}.In(packs, now), err
}
