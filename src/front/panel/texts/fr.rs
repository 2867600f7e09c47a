//! French. No-break spaces are written out, since they cannot be seen: `\u{a0}` before a colon
//! and inside quotation marks, the narrow `\u{202f}` before `;`, `!`, `?` and units.

use jiff::Timestamp;

use super::{
    NewRoomTexts, Notice, RefusalTexts, RoomTexts, RoomsTexts, SignInTexts, Texts, binary, rounded,
    sentences, short,
};
use crate::front::panel::pages::progress::RoomState;
use crate::front::panel::request::route::Verb;
use crate::model::{JobKind, JobState, StepState};
use crate::wire::FaultKind;

pub(in crate::front::panel) static FRENCH: Texts = Texts {
    tag: "fr",
    name: "Français",
    tagline: "Ta petite machine à toi, dans la maison des étudiants.",
    skip: "Aller au contenu",
    account: "Ton compte",
    sign_in: SignInTexts {
        title: "Connexion",
        welcome: "Entre, c’est allumé",
        login: "Identifiant",
        password: "Mot de passe",
        submit: "Se connecter",
        leave: "Se déconnecter",
        refused: "Cet identifiant et ce mot de passe ne vont pas ensemble. Vérifie-les et réessaie.",
        needed: "Connecte-toi pour continuer.",
        lost: "Pas encore de compte, ou mot de passe oublié\u{202f}? Demande à l’équipe de la maison.",
        lit,
    },
    rooms: RoomsTexts {
        title: "Tes piaules",
        empty: Notice {
            title: "Tu n’as pas encore de piaule",
            sentence: "Une piaule, c’est une petite machine Linux à toi\u{a0}: un nom, un site en HTTPS et un accès SSH, prêts en une seconde environ.",
        },
        create: "Créer une piaule",
        ask: "Ton compte ne te permet pas d’en créer une toi-même\u{a0}: demande à l’équipe de la maison, elle s’en occupe.",
    },
    room: RoomTexts {
        connect: "Se connecter en SSH",
        connect_hint: "À coller dans un terminal. Ta clé SSH fait office de mot de passe, et sudo n’en demande pas.",
        no_ssh: "Aucune redirection ne mène au port SSH de cette piaule.",
        copy: "Copier",
        copied: "Copié\u{202f}!",
        timeline: "Ce qui se passe",
        no_job: "Rien pour l’instant.",
        away: "La maison ne répond pas pour le moment\u{a0}: cette page n’est peut-être plus à jour. Elle réessaie toute seule.",
        reload: "Recharger la page",
        nothing_left: "Rien n’en est resté\u{a0}: tu peux recommencer.",
        under_way: "En cours…",
        total: "en tout",
        facts: "La machine",
        address: "Adresse",
        mac: "Adresse MAC",
        template: "Modèle",
        version: |version| format!("version\u{a0}{version}"),
        memory: "Mémoire",
        used_of: |used, limit| format!("{} sur {}", bytes(used), bytes(limit)),
        disk: "Disque",
        created: "Créée le",
        destroyed: "Sera détruite le",
        ports: "Redirections",
        ports_hint: "Ce qui arrive sur le port public de la maison va au port de ta piaule.",
        public: "Port public",
        inside: "Port dans la piaule",
        protocol: "Protocole",
        no_ports: "Aucune redirection.",
        keys: "Clés SSH",
        no_keys: "Aucune clé\u{a0}: personne ne peut entrer en SSH.",
        no_comment: "sans commentaire",
    },
    new_room: NewRoomTexts {
        title: "Créer une piaule",
        welcome: "Choisis un nom et donne ta clé publique\u{a0}: environ une seconde plus tard, c’est prêt.",
        name: "Nom",
        name_hint: "2 à 30 lettres minuscules ou chiffres, en commençant par une lettre.",
        template: "Modèle",
        keys: "Clé publique SSH",
        keys_hint: "Le contenu de ~/.ssh/id_ed25519.pub, par exemple. Plusieurs clés\u{202f}? Une par ligne.",
        submit: "Créer ma piaule",
        no_template: Notice {
            title: "Pas encore de modèle",
            sentence: "L’équipe de la maison n’a pas encore préparé de modèle de piaule. Reviens un peu plus tard.",
        },
        look_again: "Il reste quelque chose à corriger\u{a0}:",
    },
    refusals: RefusalTexts {
        back: "Retour à l’accueil",
        no_such_page: Notice {
            title: "Il n’y a personne à cette porte",
            sentence: "Cette page n’existe pas, ou n’existe plus.",
        },
        wrong_method: Notice {
            title: "Cette porte ne s’ouvre pas ainsi",
            sentence: "Cette adresse ne se demande pas de cette façon. Repars de l’accueil.",
        },
        foreign: Notice {
            title: "Ce formulaire ne vient pas d’ici",
            sentence: "Il a été envoyé depuis un autre site, ou depuis une page ouverte avant ta dernière connexion. Rien n’a été changé\u{a0}: recharge la page et recommence.",
        },
        not_a_form: Notice {
            title: "Ce formulaire est incomplet",
            sentence: "Il est arrivé abîmé. Rien n’a été changé\u{a0}: recommence.",
        },
        too_long: Notice {
            title: "C’est trop long",
            sentence: "Ce formulaire dépasse 64\u{202f}Kio. Rien n’a été changé.",
        },
        too_slow: Notice {
            title: "C’était trop long à venir",
            sentence: "Le formulaire n’est pas arrivé à temps. Rien n’a été changé\u{a0}: recommence.",
        },
        slow_down: Notice {
            title: "Trop d’essais",
            sentence: "Trop de connexions ratées depuis ton réseau. Attends quelques minutes, puis réessaie.",
        },
        house,
    },
    state,
    verb,
    job,
    step_state,
    step,
    milliseconds,
    bytes,
    moment,
    sentence: sentences::in_french,
};

fn lit(on: usize, of: usize) -> String {
    match (on, of) {
        (_, 0) => "La maison attend sa première piaule.".to_owned(),
        (0, 1) => "Une piaule, endormie.".to_owned(),
        (0, _) => format!("{of} piaules, toutes endormies."),
        (1, 1) => "Une piaule, allumée.".to_owned(),
        (1, _) => format!("1 piaule allumée sur {of}."),
        _ => format!("{on} piaules allumées sur {of}."),
    }
}

fn state(state: RoomState) -> &'static str {
    match state {
        RoomState::Stopped => "Éteinte",
        RoomState::Starting => "S’allume…",
        RoomState::Running => "Allumée",
        RoomState::Stopping => "S’éteint…",
        RoomState::Failed => "En panne",
        RoomState::Archived => "Archivée",
        RoomState::Leaving => "En cours de destruction",
        RoomState::Gone => "N’existe plus",
    }
}

fn verb(verb: Verb) -> &'static str {
    match verb {
        Verb::Start => "Allumer",
        Verb::Stop => "Éteindre",
        Verb::Restart => "Redémarrer",
    }
}

fn job(kind: JobKind, state: JobState) -> &'static str {
    use JobKind::{
        Archive, Create, Destroy, Keys, Ports, Restart, Start, Stop, Template, Unarchive,
    };
    match (state, kind) {
        (JobState::Running, Create) => "La piaule se crée…",
        (JobState::Running, Start) => "La piaule s’allume…",
        (JobState::Running, Stop) => "La piaule s’éteint…",
        (JobState::Running, Restart) => "La piaule redémarre…",
        (JobState::Running, Ports) => "Les redirections changent…",
        (JobState::Running, Keys) => "Les clés changent…",
        (JobState::Running, Archive) => "La piaule s’archive…",
        (JobState::Running, Unarchive) => "La piaule sort des archives…",
        (JobState::Running, Destroy) => "La piaule se détruit…",
        (JobState::Running, Template) => "Le modèle se construit…",
        (JobState::Done, Create) => "La piaule est créée",
        (JobState::Done, Start) => "La piaule est allumée",
        (JobState::Done, Stop) => "La piaule est éteinte",
        (JobState::Done, Restart) => "La piaule a redémarré",
        (JobState::Done, Ports) => "Les redirections sont à jour",
        (JobState::Done, Keys) => "Les clés sont à jour",
        (JobState::Done, Archive) => "La piaule est archivée",
        (JobState::Done, Unarchive) => "La piaule est sortie des archives",
        (JobState::Done, Destroy) => "La piaule est détruite",
        (JobState::Done, Template) => "Le modèle est construit",
        (JobState::Failed, Create) => "La création a échoué",
        (JobState::Failed, Start) => "L’allumage a échoué",
        (JobState::Failed, Stop) => "L’extinction a échoué",
        (JobState::Failed, Restart) => "Le redémarrage a échoué",
        (JobState::Failed, Ports) => "Les redirections n’ont pas pu changer",
        (JobState::Failed, Keys) => "Les clés n’ont pas pu changer",
        (JobState::Failed, Archive) => "L’archivage a échoué",
        (JobState::Failed, Unarchive) => "La sortie des archives a échoué",
        (JobState::Failed, Destroy) => "La destruction a échoué",
        (JobState::Failed, Template) => "La construction du modèle a échoué",
        (JobState::Superseded, _) => "Remplacé par une demande plus récente",
    }
}

fn step_state(state: StepState) -> &'static str {
    match state {
        StepState::Done => "fait",
        StepState::Failed => "échec",
        StepState::Undone => "annulé",
    }
}

fn step(name: &str) -> Option<&'static str> {
    Some(match name {
        "publish" => "Nom et site",
        "network" => "Réseau",
        "layer" => "Disque",
        "launch" => "Lancement",
        "keys" => "Clés",
        "ready" => "Démarrage",
        "stop" => "Extinction",
        "release" => "Ménage",
        "erase" => "Disque effacé",
        "forget" => "Nom rendu",
        "begin" => "Préparatifs",
        "packages" => "Paquets",
        "prepare" => "Réglages",
        "check" => "Vérification",
        _ => return None,
    })
}

fn milliseconds(ms: f64) -> String {
    if ms < 1000.0 {
        format!("{}\u{202f}ms", rounded(ms, ","))
    } else {
        format!("{:.2}\u{202f}s", ms / 1000.0).replace('.', ",")
    }
}

fn bytes(bytes: u64) -> String {
    let (number, unit) = binary(bytes, ["octets", "Kio", "Mio", "Gio", "Tio"]);
    format!("{}\u{202f}{unit}", short(number, ","))
}

fn moment(moment: Timestamp) -> String {
    const MONTHS: [&str; 12] = [
        "janvier",
        "février",
        "mars",
        "avril",
        "mai",
        "juin",
        "juillet",
        "août",
        "septembre",
        "octobre",
        "novembre",
        "décembre",
    ];
    let at = moment.to_zoned(jiff::tz::TimeZone::UTC);
    let month = usize::try_from(at.month() - 1).ok().and_then(|index| MONTHS.get(index));
    let first = if at.day() == 1 { "er" } else { "" };
    let month = month.copied().unwrap_or_default();
    let (day, year, hour, minute) = (at.day(), at.year(), at.hour(), at.minute());
    format!("{day}{first} {month} {year} à {hour:02}:{minute:02} UTC")
}

fn house(kind: FaultKind) -> Notice {
    match kind {
        FaultKind::Invalid => Notice {
            title: "Ça ne va pas",
            sentence: "Ce qui a été demandé ne peut pas être utilisé. Rien n’a été changé.",
        },
        FaultKind::Unauthenticated => {
            Notice { title: "Ta session est terminée", sentence: "Reconnecte-toi pour continuer." }
        }
        FaultKind::Forbidden => Notice {
            title: "Cette porte n’est pas la tienne",
            sentence: "Ton compte n’a pas le droit de faire cela.",
        },
        FaultKind::NotFound => Notice {
            title: "Il n’y a personne à cette porte",
            sentence: "Ce que tu cherches n’existe pas, ou n’existe plus.",
        },
        FaultKind::Conflict => Notice {
            title: "Pas dans cet état",
            sentence: "Cela ne va pas avec ce qui est déjà là. Rien n’a été changé.",
        },
        FaultKind::Limit => Notice {
            title: "La limite est atteinte",
            sentence: "La maison ne peut pas t’en donner plus.",
        },
        FaultKind::Internal => Notice {
            title: "La maison a eu un problème",
            sentence: "Ce n’est pas de ta faute. L’équipe trouvera la cause dans le journal.",
        },
        FaultKind::Unavailable => Notice {
            title: "La maison redémarre",
            sentence: "Les piaules continuent de tourner\u{202f}; seul ce tableau de bord fait une pause. Réessaie dans un instant.",
        },
    }
}
