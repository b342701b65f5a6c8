package consent

// What holds whatever is signed, and how it is taken back, in each language.
const (
	anywayEN = "Copies already taken stay where they are. A lab result still goes to the doctor who ordered it. Reports that the law orders, such as to public health, are still made."
	anywayES = "Las copias que ya se hicieron se quedan donde están. El resultado de un laboratorio todavía llega al médico que lo pidió. Los informes que la ley ordena, como a salud pública, se siguen haciendo."
	undoEN   = "You can change this at any time, here or at any front desk. The change counts from the next request on."
	undoES   = "Puede cambiar esto en cualquier momento, aquí o en cualquier recepción. El cambio cuenta desde la siguiente solicitud."
)

// BuiltinTemplates are the forms every exchange begins with, each in version 1 and in force.
//
// Source: spec ux P2 and P5; HEALTHeLINK's three choices; 42 CFR 2.31 (single consent for treatment, payment and
// operations). The Spanish is to be confirmed by a qualified translator (45 CFR 92.201).
func BuiltinTemplates() []Template {
	form := func(id string, root Provision, en, es Words, asks ...Ask) Template {
		for w, common := range map[*Words][2]string{&en: {anywayEN, undoEN}, &es: {anywayES, undoES}} {
			if w.Anyway == "" {
				w.Anyway = common[0]
			}
			w.Undo = common[1]
		}
		return Template{ID: id, Version: 1, State: TemplateActive, Root: root, Asks: asks, Words: map[string]Words{"en": en, "es": es},
			Policies: []string{PolicySharing}} // one choice: a later one replaces it
	}
	care := []string{"TREAT", "HPAYMT", "HOPERAT"}
	share := form("share", Provision{Type: "permit", Purposes: care},
		Words{Choice: "Share my records with the people who treat me", Happens: "Doctors, nurses and others who treat you can find and open your records from all places in this network. Those who pay for your care and those who check its quality can see what they need."},
		Words{Choice: "Compartir mis registros con quienes me atienden", Happens: "Los médicos, enfermeros y otras personas que le atienden pueden encontrar y abrir sus registros de todos los lugares de esta red. Quienes pagan su atención y quienes revisan su calidad pueden ver lo que necesitan."})
	emergency := form("emergency-only", Provision{Type: "deny"},
		Words{Choice: "Share only in an emergency", Happens: "Nobody can see your records through this network, except when your life or health is in danger and you cannot be asked. Each time that happens you are told, and somebody looks at whether it was right."},
		Words{Choice: "Compartir solo en una emergencia", Happens: "Nadie puede ver sus registros por esta red, excepto cuando su vida o su salud está en peligro y no se le puede preguntar. Cada vez que eso pasa se le avisa, y alguien revisa si fue correcto."})
	never := form("never", Provision{Type: "deny"},
		Words{Choice: "Do not share, even in an emergency", Happens: "Nobody can see your records through this network, not even when your life is in danger. Those who treat you then may not know of allergies or medicines."},
		Words{Choice: "No compartir, ni siquiera en una emergencia", Happens: "Nadie puede ver sus registros por esta red, ni siquiera cuando su vida está en peligro. Quienes le atiendan entonces pueden no saber de alergias o medicinas."})
	never.Absolute = true
	chosen := form("chosen-organizations", Provision{Type: "deny", Provisions: []Provision{{Type: "permit", Purposes: []string{"TREAT"}, Actors: []Actor{{Reference: askedOrganizations}}}}},
		Words{Choice: "Share only with the places I choose", Happens: "Only the places you name can see your records through this network, to treat you. All others can see them only in an emergency."},
		Words{Choice: "Compartir solo con los lugares que elijo", Happens: "Solo los lugares que usted nombra pueden ver sus registros por esta red, para atenderle. Todos los demás los pueden ver solo en una emergencia."},
		AskOrganizations, AskUntil)
	hide := form("hide-groups", Provision{Type: "deny", Labels: []string{askedLabels}},
		Words{Choice: "Keep some kinds of records to myself", Happens: "Records of the kinds you choose are not shown through this network, except in an emergency. Other records are shared as before."},
		Words{Choice: "Guardar para mí algunos tipos de registros", Happens: "Los registros de los tipos que usted elige no se muestran por esta red, excepto en una emergencia. Los demás se comparten como antes."},
		AskLabels)
	hide.Policies = []string{PolicyHidden}
	part2 := form("part2-treatment", Provision{Type: "permit", Purposes: care, Actors: []Actor{{Role: "CST", Reference: askedOrganizations}}},
		Words{Choice: "Share my records of treatment for alcohol or drug use", Happens: "The programs you choose may share their records of your treatment for alcohol or drug use with those who treat you, who pay for your care, and who run it. Those who get them may share them further as the health privacy law allows, but not use them against you in court without your consent or a court order.",
			Anyway: "Copies already taken stay where they are. In a medical emergency a program may share what is needed without this consent."},
		Words{Choice: "Compartir mis registros de tratamiento por uso de alcohol o drogas", Happens: "Los programas que usted elige pueden compartir sus registros de su tratamiento por uso de alcohol o drogas con quienes le atienden, quienes pagan su atención y quienes la administran. Quienes los reciben pueden compartirlos según la ley de privacidad de salud, pero no usarlos contra usted en un tribunal sin su consentimiento o una orden judicial.",
			Anyway: "Las copias que ya se hicieron se quedan donde están. En una emergencia médica un programa puede compartir lo necesario sin este consentimiento."},
		AskOrganizations, AskUntil)
	part2.Policies = []string{PolicyPart2}
	return []Template{share, emergency, never, chosen, hide, part2}
}
