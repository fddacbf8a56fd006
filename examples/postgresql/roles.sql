-- Run by psql (15 or newer) as a superuser, once, before catchment's first start. The database `catchment` belongs to
-- `collector`, who collects and serves; `analyst` reads the collections and their views, and nothing else: no keys,
-- no sessions, no archive. A password that is not set lets nobody in.
\set ON_ERROR_STOP on
\set collector_password ''
\set analyst_password ''
\getenv collector_password COLLECTOR_PASSWORD
\getenv analyst_password ANALYST_PASSWORD

CREATE ROLE collector LOGIN PASSWORD :'collector_password';
CREATE ROLE analyst LOGIN PASSWORD :'analyst_password';
ALTER ROLE analyst SET default_transaction_read_only = on;
ALTER ROLE analyst SET statement_timeout = '1min';
ALTER ROLE analyst SET idle_in_transaction_session_timeout = '1min';

CREATE DATABASE catchment OWNER collector ENCODING 'UTF8' TEMPLATE template0;
REVOKE ALL ON DATABASE catchment FROM PUBLIC;
GRANT CONNECT ON DATABASE catchment TO analyst;
\connect catchment

-- Tables and views come and go: with new apps, and whenever a generation takes the place of another. What catchment keeps
-- for itself begins with an underscore.
CREATE FUNCTION readable_by_analyst() RETURNS event_trigger LANGUAGE plpgsql AS $$
DECLARE
    made record;
BEGIN
    FOR made IN SELECT c.oid::regclass AS name FROM pg_event_trigger_ddl_commands() AS d JOIN pg_class AS c ON c.oid = d.objid
        WHERE d.schema_name = 'public' AND c.relkind IN ('r', 'v') AND c.relname NOT LIKE '\_%'
    LOOP
        EXECUTE format('GRANT SELECT ON %s TO analyst', made.name);
    END LOOP;
END
$$;
CREATE EVENT TRIGGER readable_by_analyst ON ddl_command_end
    WHEN TAG IN ('CREATE TABLE', 'CREATE TABLE AS', 'CREATE VIEW') EXECUTE FUNCTION readable_by_analyst();
