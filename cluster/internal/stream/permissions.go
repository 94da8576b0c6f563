package stream

// Permissions are the subjects that a user may publish and subscribe to.
type Permissions struct {
	Publish, Subscribe []string
	Respond            bool // to a message, once, wherever it asks for an answer
}

// Permissions returns what a role needs in this namespace, and no more. SUBJECTS.md
// explains each.
func (n Names) Permissions(role Role) (p Permissions) {
	tasks, results, dead, later := n.Tasks(), n.Results(), n.Dead(), n.Later()
	workers, blobs := "KV_"+n.Workers(), n.Blobs()
	all := []string{tasks, results, dead, later, workers, blobs}

	p.Publish = append(p.Publish, "$JS.API.INFO")
	for _, s := range all {
		p.Publish = append(p.Publish, "$JS.API.STREAM.INFO."+s)
	}
	// Both store what is too long for a message, read it, and remove it.
	p.Publish = append(p.Publish,
		n.prefix+"b.>",
		"$JS.API.DIRECT.GET."+blobs+".>",
		"$JS.API.STREAM.PURGE."+blobs,
		n.prefix+"q.>", // a worker hands back what it does not run
		n.prefix+"n.*",
	)
	p.Subscribe = append(p.Subscribe, n.prefix+"i."+string(role)+".>")

	switch role {
	case Client:
		// It makes what is missing, and changes nothing that exists.
		for _, s := range all {
			p.Publish = append(p.Publish, "$JS.API.STREAM.CREATE."+s)
		}
		p.Publish = append(p.Publish,
			n.prefix+"keep.*",
			n.prefix+"at.>",
			n.prefix+"c.*",
			"$JS.API.CONSUMER.INFO."+tasks+".*", // up to where tasks were delivered, before one is cancelled
		)
		for _, s := range []string{tasks, later, dead} {
			p.Publish = append(p.Publish, "$JS.API.STREAM.MSG.DELETE."+s)
		}
		for _, s := range []string{tasks, results, later} {
			p.Publish = append(p.Publish, "$JS.API.STREAM.PURGE."+s)
		}
		for _, s := range []string{tasks, results, later, dead} {
			p.Publish = append(p.Publish, "$JS.API.DIRECT.GET."+s, "$JS.API.DIRECT.GET."+s+".>")
		}
		p.Subscribe = append(p.Subscribe, n.prefix+"r.>", n.prefix+"n.*")
	case Worker:
		p.Publish = append(p.Publish,
			n.prefix+"r.>",
			n.prefix+"dead.>",
			"$KV."+n.Workers()+".>",
			"$JS.API.CONSUMER.CREATE."+tasks+".>",
			"$JS.API.CONSUMER.INFO."+tasks+".*",
			"$JS.API.CONSUMER.MSG.NEXT."+tasks+".*",
			"$JS.ACK."+tasks+".>",
			"$JS.API.DIRECT.GET."+results+".>", // whether a task has a result, before it is queued again
		)
		p.Subscribe = append(p.Subscribe, n.prefix+"c.*")
		p.Respond = true
	}
	return p
}
