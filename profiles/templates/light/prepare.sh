# Runs as root in the new root file system, without network, through `sh -eu`.
# What every room shares is made here once; what makes a room itself (host keys, machine-id,
# hosts, hostname, resolv.conf) is made when it first starts, and must not exist yet.

useradd --create-home --shell /bin/bash --uid 1000 --user-group --groups sudo,adm \
    --password '*' student
chmod 0440 /etc/sudoers.d/student
install --directory --mode=0755 /etc/ssh/authorized_keys.d
install --directory --owner=student --group=student --mode=0755 /var/www/html
chown --recursive student:student /var/www/html

: > /etc/fstab

# Translations are of no use where the only locale is C.UTF-8; packages bring theirs back.
find /usr/share/locale -mindepth 1 -maxdepth 1 -type d -exec rm -r {} +
rm -rf /var/log/journal

# A generator would find the console at every boot; it is always there.
systemctl --quiet add-wants getty.target console-getty.service
# The bus starts with its first client (dbus.socket). Many rooms never have one.
install --directory /etc/systemd/system/multi-user.target.wants
ln --symbolic /dev/null /etc/systemd/system/multi-user.target.wants/dbus.service

# What systemd would redo at every first boot.
ldconfig
journalctl --update-catalog
systemd-sysusers

rm -f /etc/ssh/ssh_host_*
rm -f /etc/machine-id /var/lib/dbus/machine-id
rm -f /etc/hostname /etc/hosts /etc/resolv.conf
touch -r /usr /etc/.updated /var/.updated
